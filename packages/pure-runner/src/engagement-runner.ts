import {
  type Agent,
  type AgentCall,
  type CallLog,
  CallLogs,
  type CallOption,
  type LogSink,
  noLogSink,
} from '@fnfleet/agent';
import {
  type Call,
  CallDecodeError,
  type Clock,
  closeSpan,
  decodeCall,
  FnError,
  hasTrace,
  type Logger,
  type OpenSpan,
  openSpan,
  type ResponseWriter,
  SpanKind,
  type TraceContext,
  traceFields,
} from '@fnfleet/core';
import {
  type BeforeStart,
  type CallEnd,
  type CallIo,
  encodeOrca,
  MAX_CALL_LOG_BYTES,
  type RunCall,
  type TryMessage,
} from '@fnfleet/protocol';
import { callReport } from './call-report.js';
import type { RunnerLoad } from './runner-load.js';

/** The span of an engagement at the runner, named by the gRPC conventions of OpenTelemetry. */
const SPAN = 'RunnerProtocol/Engage';

export interface EngagementDeps {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly load: RunnerLoad;
  /** Whether detached calls are accepted. */
  readonly detached?: boolean;
  /** Image that only status checks may use. */
  readonly statusImage?: string;
}

/**
 * Handles a call between `try` and `finished`: decodes and checks it, submits it to the agent, and reports its outcome. Every
 * failure on the way is also such a report. The current load of the runner is sent with it.
 */
export function engagementRunner(deps: EngagementDeps): RunCall {
  const logs = new CallLogs(deps.clock, MAX_CALL_LOG_BYTES);
  return async (offer, io) => {
    let call: AgentCall | undefined;
    let log: CallLog | undefined;
    // The balancer decides whether a call is traced.
    const span = hasTrace(io.trace) ? openSpan(SPAN, io.trace, SpanKind.SERVER) : undefined;
    try {
      const model = readCall(offer, deps);
      if (model.type === 'async') log = logs.open(model.fnId);
      call = await deps.agent.getCall(callOption(model, offer, io, span?.context ?? io.trace, log ?? noLogSink));
      if (deps.load.draining) throw new FnError('serverBusy');
      if (call.model.type === 'detached' && !deps.detached) throw new FnError('detachUnsupported');
      await deps.agent.submit(call);
      const end = endOf(call, undefined, deps, span);
      return log === undefined ? end : await withLog(end, call, undefined, log, io);
    } catch (error) {
      if (!(error instanceof FnError) && !(error instanceof CallDecodeError) && !io.signal.aborted) {
        const ids = { callId: call?.model.id, fnId: call?.model.fnId, ...traceFields(span?.context ?? io.trace) };
        deps.logger.warn('call failed', { ...ids, error });
      }
      const end = endOf(call, error, deps, span);
      return call === undefined || log === undefined ? end : await withLog(end, call, error, log, io);
    }
  };
}

/** @param call undefined if it could not be built @param error undefined if it succeeded */
function endOf(
  call: AgentCall | undefined,
  error: unknown,
  { clock, load }: EngagementDeps,
  span: OpenSpan | undefined,
): CallEnd {
  if (span) closeSpan(span, error);
  return { report: callReport(call, error, clock), load: encodeOrca(load.report(call?.slotKey)) };
}

/** Adds what the function has printed. A call that has not started has printed nothing. */
async function withLog(
  { report, load }: CallEnd,
  { model }: AgentCall,
  error: unknown,
  log: CallLog,
  { signal }: CallIo,
): Promise<CallEnd> {
  const text = model.startedAt === undefined ? '' : await log.whenComplete(error !== undefined, signal);
  return { report: { ...report, log: text }, load };
}

function readCall(offer: TryMessage, deps: EngagementDeps): Call {
  const model = decodeCall(offer.callJson);
  if (deps.statusImage !== undefined && model.image === deps.statusImage) throw new FnError('invalidFnImage');
  // The clocks of balancer and runner differ, so the call is dated by its arrival here.
  model.createdAt = deps.clock.wallNow();
  model.startedAt = undefined;
  model.completedAt = undefined;
  return model;
}

/** One option for all that an engagement knows of its call: each has a price, and a call would need nine. */
function callOption(model: Call, offer: TryMessage, io: CallIo, trace: TraceContext, log: LogSink): CallOption {
  return (draft) => {
    const detached = model.type === 'detached';
    draft.model = model;
    draft.body = io.body;
    draft.logSink = log;
    draft.response = detached ? droppedAnswer : io.response;
    draft.signal = io.signal;
    draft.extensions = { ...offer.extensions };
    draft.beforeStart = detached ? acknowledging(io) : io.beforeStart;
    draft.trace = trace;
    if (io.deadlineAt !== undefined) draft.deadlineAt = io.deadlineAt;
    if (offer.slotHash !== '') draft.slotKey = checkedSlotKey(offer.slotHash);
  };
}

/** Fn balancers of the reference release send the key; otherwise the runner computes it. */
function checkedSlotKey(hex: string): string {
  if (hex.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(hex)) return hex.toLowerCase();
  const shown = JSON.stringify(hex.slice(0, 80));
  throw new CallDecodeError(`slot_hash_id: expected hexadecimal digits in pairs, got ${shown}`);
}

/**
 * A detached call is acknowledged when a function is ready to take it: not when it is queued, nor for a container that turns out
 * to be gone.
 */
function acknowledging({ response, beforeStart }: CallIo): BeforeStart {
  return (start) => {
    response.writeHead(202, []);
    if (beforeStart) beforeStart(start);
    else start();
  };
}

/** Drops the response of a detached call. */
const droppedAnswer: ResponseWriter = {
  writeHead: () => undefined,
  write: () => true,
  onDrain: (callback) => callback(),
};
