import {
  type Call,
  completeBody,
  type MonoMs,
  type RequestBody,
  type ResponseWriter,
  type TraceContext,
  type WallMs,
} from '@fnfleet/core';
import type { LogSink } from '../output/log-sink.js';
import type { AgentCall } from './agent-call.js';

/** What call options fill in, one after another. */
export interface CallDraft {
  model?: Call;
  body?: RequestBody;
  response?: ResponseWriter;
  logSink?: LogSink;
  extensions: Record<string, string>;
  signal?: AbortSignal;
  deadlineAt?: MonoMs;
  slotKey?: string;
  networkDisabled?: boolean;
  beforeStart?: AgentCall['beforeStart'];
  trace?: TraceContext;
  /** From the agent, for options that make a model. */
  readonly newId: () => string;
  readonly createdAt: WallMs;
}

/** One step of building a call. Throws when what it needs has not been set by an earlier option. */
export type CallOption = (draft: CallDraft) => void;

/** A call without a request body. */
export function fromModel(call: Call): CallOption {
  return fromModelAndInput(call, completeBody(Buffer.alloc(0)));
}

/** A call and the bytes for its function. The agent sets status and dates on this very object. */
export function fromModelAndInput(call: Call, body: RequestBody): CallOption {
  return (draft) => {
    draft.model = call;
    draft.body = body;
  };
}

/** Needs a model before it. Replaces it with a copy that has the trigger. */
export function withTrigger(triggerId: string): CallOption {
  return (draft) => {
    draft.model = { ...modelOf(draft, 'withTrigger'), triggerId };
  };
}

/** Needs a model before it. Replaces it with a detached copy. */
export function invokeDetached(): CallOption {
  return (draft) => {
    draft.model = { ...modelOf(draft, 'invokeDetached'), type: 'detached' };
  };
}

/** Where the answer goes. Without it the answer is dropped. */
export function withWriter(response: ResponseWriter): CallOption {
  return (draft) => {
    draft.response = response;
  };
}

/**
 * Where the output of the function goes, besides the sinks of the agent. Closed soon after the end of the call: the end
 * of its output may arrive after the answer. A container that was started for a call without one has nothing attached to
 * it unless the agent has sinks.
 */
export function withLogger(logSink: LogSink): CallOption {
  return (draft) => {
    draft.logSink = logSink;
  };
}

/** Ends the call when it aborts. Needs a model before it. */
export function withSignal(signal: AbortSignal): CallOption {
  return (draft) => {
    modelOf(draft, 'withSignal');
    draft.signal = signal;
  };
}

/** The caller's own deadline. Needs a model before it. */
export function withDeadline(deadlineAt: MonoMs): CallOption {
  return (draft) => {
    modelOf(draft, 'withDeadline');
    draft.deadlineAt = deadlineAt;
  };
}

/** Tells whoever sent the call that it is about to start; the function gets it when that has called back. */
export function withBeforeStart(beforeStart: AgentCall['beforeStart']): CallOption {
  return (draft) => {
    draft.beforeStart = beforeStart;
  };
}

/** What happens for the call belongs to this trace, the function's own part included. */
export function withTrace(trace: TraceContext): CallOption {
  return (draft) => {
    draft.trace = trace;
  };
}

/** Opaque to the agent; for the driver. */
export function withExtensions(extensions: Readonly<Record<string, string>>): CallOption {
  return (draft) => {
    draft.extensions = { ...extensions };
  };
}

/** Hex, as a balancer computed it. Empty leaves it to the agent. */
export function withSlotKey(slotKey: string): CallOption {
  return (draft) => {
    draft.slotKey = slotKey;
  };
}

/** The container of the call gets no network. */
export function withoutNetwork(): CallOption {
  return (draft) => {
    draft.networkDisabled = true;
  };
}

function modelOf(draft: CallDraft, option: string): Call {
  if (draft.model === undefined) throw new Error(`${option} comes after the option that supplies the model`);
  return draft.model;
}
