import {
  type Agent,
  type AgentCall,
  type CallOption,
  fromModelAndInput,
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
  type RunCall,
  type TryMessage,
} from '@fnfleet/protocol';
import { callReport } from './call-report.js';
import type { RunnerLoad } from './runner-load.js';

/** An engagement at the runner, in a trace; as the conventions of OpenTelemetry name a gRPC call. */
const SPAN = 'RunnerProtocol/Engage';

export interface EngagementDeps {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly load: RunnerLoad;
  /** Whether detached calls are taken. */
  readonly detached?: boolean;
  /** Image that only status checks may use. */
  readonly statusImage?: string;
}

/**
 * What happens to a call between `try` and `finished`: it is read, checked, given to the agent, and its end is put into
 * a report. Everything that goes wrong on the way is such a report as well. The runner's load by then goes with it.
 */
export function engagementRunner(deps: EngagementDeps): RunCall {
  return async (offer, io) => {
    let call: AgentCall | undefined;
    // Whether a call is traced is for balancers to say.
    const opened = hasTrace(io.trace) ? openSpan(SPAN, io.trace, SpanKind.SERVER) : undefined;
    const trace = opened?.context ?? io.trace;
    const end = (error: unknown): CallEnd => {
      if (opened) closeSpan(opened, error);
      return { report: callReport(call, error, deps.clock), load: encodeOrca(deps.load.report(call?.slotKey)) };
    };
    try {
      call = await buildCall(offer, io, trace, deps);
      if (deps.load.draining) throw new FnError('serverBusy');
      if (call.model.type === 'detached' && !deps.detached) throw new FnError('detachUnsupported');
      await deps.agent.submit(call);
      return end(undefined);
    } catch (error) {
      if (!(error instanceof FnError) && !(error instanceof CallDecodeError) && !io.signal.aborted) {
        const ids = { callId: call?.model.id, fnId: call?.model.fnId, ...traceFields(trace) };
        deps.logger.warn('call failed', { ...ids, error });
      }
      return end(error);
    }
  };
}

async function buildCall(offer: TryMessage, io: CallIo, trace: TraceContext, deps: EngagementDeps): Promise<AgentCall> {
  const model = decodeCall(offer.callJson);
  if (deps.statusImage !== undefined && model.image === deps.statusImage) throw new FnError('invalidFnImage');
  const detached = model.type === 'detached';
  // The balancer's clock is not ours: a call exists here from the moment it arrived.
  model.createdAt = deps.clock.wallNow();
  model.startedAt = undefined;
  model.completedAt = undefined;
  const options: CallOption[] = [
    fromModelAndInput(model, io.body),
    withLogger(noLogSink),
    withWriter(detached ? droppedAnswer : io.response),
    withSignal(io.signal),
    withExtensions(offer.extensions),
    withBeforeStart(detached ? acknowledging(io) : io.beforeStart),
    withTrace(trace),
  ];
  if (io.deadlineAt !== undefined) options.push(withDeadline(io.deadlineAt));
  if (offer.slotHash !== '') options.push(withSlotKey(checkedSlotKey(offer.slotHash)));
  return deps.agent.getCall(...options);
}

/** A balancer of the reference release sends the key it computed; any other leaves it to us. */
function checkedSlotKey(hex: string): string {
  if (hex.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(hex)) return hex.toLowerCase();
  const shown = JSON.stringify(hex.slice(0, 80));
  throw new CallDecodeError(`slot_hash_id: expected hexadecimal digits in pairs, got ${shown}`);
}

/**
 * A detached call is acknowledged when a function is there to take it: not when it is queued, nor for a container that turns
 * out to be gone.
 */
function acknowledging({ response, beforeStart }: CallIo): BeforeStart {
  return (start) => {
    response.writeHead(202, []);
    if (beforeStart) beforeStart(start);
    else start();
  };
}

/** Where the answer of a detached call goes: nobody waits for it. */
const droppedAnswer: ResponseWriter = {
  writeHead: () => undefined,
  write: () => true,
  onDrain: (callback) => callback(),
};
