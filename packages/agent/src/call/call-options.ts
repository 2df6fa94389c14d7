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

/** Filled in by call options, one after another. */
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
  /** Supplied by the agent, for options that create a model. */
  readonly newId: () => string;
  readonly createdAt: WallMs;
}

/** One step of building a call. Throws when it depends on an earlier option that is missing. */
export type CallOption = (draft: CallDraft) => void;

/** A call without a request body. */
export function fromModel(call: Call): CallOption {
  return fromModelAndInput(call, completeBody(Buffer.alloc(0)));
}

/** A call and its request body. The agent sets status and dates on this very object. */
export function fromModelAndInput(call: Call, body: RequestBody): CallOption {
  return (draft) => {
    draft.model = call;
    draft.body = body;
  };
}

/** Replaces the model, which an earlier option must have set, with a copy that has the trigger. */
export function withTrigger(triggerId: string): CallOption {
  return (draft) => {
    draft.model = { ...modelOf(draft, 'withTrigger'), triggerId };
  };
}

/** Replaces the model, which an earlier option must have set, with a detached copy. */
export function invokeDetached(): CallOption {
  return (draft) => {
    draft.model = { ...modelOf(draft, 'invokeDetached'), type: 'detached' };
  };
}

/** Receives the response, which is dropped without this option. */
export function withWriter(response: ResponseWriter): CallOption {
  return (draft) => {
    draft.response = response;
  };
}

/**
 * Receives the output of the function, in addition to the sinks of the agent. Closed shortly after the end of the call,
 * because the last output may arrive after the response. A container that was started for a call without this option
 * collects no output unless the agent has sinks.
 */
export function withLogger(logSink: LogSink): CallOption {
  return (draft) => {
    draft.logSink = logSink;
  };
}

/** Ends the call when the signal aborts. An earlier option must have set the model. */
export function withSignal(signal: AbortSignal): CallOption {
  return (draft) => {
    modelOf(draft, 'withSignal');
    draft.signal = signal;
  };
}

/** Sets the caller's own deadline. An earlier option must have set the model. */
export function withDeadline(deadlineAt: MonoMs): CallOption {
  return (draft) => {
    modelOf(draft, 'withDeadline');
    draft.deadlineAt = deadlineAt;
  };
}

/** Notifies the sender of the call that it is about to start. The function receives it after `beforeStart` calls back. */
export function withBeforeStart(beforeStart: AgentCall['beforeStart']): CallOption {
  return (draft) => {
    draft.beforeStart = beforeStart;
  };
}

/** Sets the trace that the spans of the call belong to, including that of the function. */
export function withTrace(trace: TraceContext): CallOption {
  return (draft) => {
    draft.trace = trace;
  };
}

/** Sets extensions for the driver, which are opaque to the agent. */
export function withExtensions(extensions: Readonly<Record<string, string>>): CallOption {
  return (draft) => {
    draft.extensions = { ...extensions };
  };
}

/** Sets the slot key, hexadecimal, as computed by a balancer. If empty, the agent computes it. */
export function withSlotKey(slotKey: string): CallOption {
  return (draft) => {
    draft.slotKey = slotKey;
  };
}

/** Runs the call in a container without a network. */
export function withoutNetwork(): CallOption {
  return (draft) => {
    draft.networkDisabled = true;
  };
}

function modelOf(draft: CallDraft, option: string): Call {
  if (draft.model === undefined) throw new Error(`${option} comes after the option that supplies the model`);
  return draft.model;
}
