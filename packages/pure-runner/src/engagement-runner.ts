import {
  type Agent,
  type AgentCall,
  type CallLog,
  CallLogs,
  type CallOption,
  fromModelAndInput,
  type LogSink,
  noLogSink,
  withBeforeStart,
  withDeadline,
  withExtensions,
  withLogger,
  withSignal,
  withSlotKey,
  withTrace,
  withWriter,
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
    const opened = hasTrace(io.trace) ? openSpan(SPAN, io.trace, SpanKind.SERVER) : undefined;
    const trace = opened?.context ?? io.trace;
    const end = (error: unknown): CallEnd => {
      if (opened) closeSpan(opened, error);
      return { report: callReport(call, error, deps.clock), load: encodeOrca(deps.load.report(call?.slotKey)) };
    };
    const endWithLog = async (error: unknown, { model }: AgentCall, of: CallLog): Promise<CallEnd> => {
      const { report, load } = end(error);
      // A call that has not started has printed nothing.
      const text = model.startedAt === undefined ? '' : await of.whenComplete(error !== undefined, io.signal);
      return { report: { ...report, log: text }, load };
    };
    try {
      const model = readCall(offer, deps);
      if (model.type === 'async') log = logs.open(model.fnId);
      call = await buildCall(model, offer, io, trace, deps, log ?? noLogSink);
      if (deps.load.draining) throw new FnError('serverBusy');
      if (call.model.type === 'detached' && !deps.detached) throw new FnError('detachUnsupported');
      await deps.agent.submit(call);
      return log === undefined ? end(undefined) : await endWithLog(undefined, call, log);
    } catch (error) {
      if (!(error instanceof FnError) && !(error instanceof CallDecodeError) && !io.signal.aborted) {
        const ids = { callId: call?.model.id, fnId: call?.model.fnId, ...traceFields(trace) };
        deps.logger.warn('call failed', { ...ids, error });
      }
      return call === undefined || log === undefined ? end(error) : await endWithLog(error, call, log);
    }
  };
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

function buildCall(
  model: Call,
  offer: TryMessage,
  io: CallIo,
  trace: TraceContext,
  { agent }: EngagementDeps,
  log: LogSink,
): Promise<AgentCall> {
  const detached = model.type === 'detached';
  const options: CallOption[] = [
    fromModelAndInput(model, io.body),
    withLogger(log),
    withWriter(detached ? droppedAnswer : io.response),
    withSignal(io.signal),
    withExtensions(offer.extensions),
    withBeforeStart(detached ? acknowledging(io) : io.beforeStart),
    withTrace(trace),
  ];
  if (io.deadlineAt !== undefined) options.push(withDeadline(io.deadlineAt));
  if (offer.slotHash !== '') options.push(withSlotKey(checkedSlotKey(offer.slotHash)));
  return agent.getCall(...options);
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
