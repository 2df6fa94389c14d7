import {
  type Agent,
  type AgentCall,
  type CallOption,
  fromModelAndInput,
  noLogSink,
  withDeadline,
  withExtensions,
  withLogger,
  withSignal,
  withSlotKey,
  withWriter,
} from '@fnfleet/agent';
import { CallDecodeError, type Clock, decodeCall, FnError, type Logger, PeerError } from '@fnfleet/core';
import { type CallIo, type CallReport, NOTHING_REPORTED, type RunCall, type TryMessage } from '@fnfleet/protocol';
import { type DetachedAcks, droppedAnswer } from './detached-acks.js';

export interface EngagementDeps {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: detached calls are refused. */
  readonly detachedAcks?: DetachedAcks;
  /** Image that only status checks may use. */
  readonly statusImage?: string;
}

/**
 * What happens to a call between `try` and `finished`: it is read, checked, given to the agent, and its end is put into
 * a report. Everything that goes wrong on the way is such a report as well.
 */
export function engagementRunner(deps: EngagementDeps): RunCall {
  return async (offer, io) => {
    let call: AgentCall | undefined;
    try {
      call = await buildCall(offer, io, deps);
      await submit(call, io, deps);
      return report(call, undefined, deps.clock);
    } catch (error) {
      if (!(error instanceof FnError) && !(error instanceof CallDecodeError) && !io.signal.aborted) {
        deps.logger.warn('call failed', { callId: call?.model.id, fnId: call?.model.fnId, error });
      }
      return report(call, error, deps.clock);
    }
  };
}

async function buildCall(offer: TryMessage, io: CallIo, deps: EngagementDeps): Promise<AgentCall> {
  const model = decodeCall(offer.callJson);
  if (deps.statusImage !== undefined && model.image === deps.statusImage) throw new FnError('invalidFnImage');
  // The balancer's clock is not ours: a call exists here from the moment it arrived.
  model.createdAt = deps.clock.now();
  model.startedAt = undefined;
  model.completedAt = undefined;
  const options: CallOption[] = [
    fromModelAndInput(model, io.body),
    withLogger(noLogSink),
    withWriter(model.type === 'detached' ? droppedAnswer : io.response),
    withSignal(io.signal),
    withExtensions(offer.extensions),
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

async function submit(call: AgentCall, io: CallIo, deps: EngagementDeps): Promise<void> {
  if (call.model.type !== 'detached') return deps.agent.submit(call);
  if (deps.detachedAcks === undefined) throw new FnError('detachUnsupported');
  const forget = deps.detachedAcks.expect(call.model.id, () => io.response.writeHead(202, []));
  try {
    await deps.agent.submit(call);
  } finally {
    forget();
  }
}

function report(call: AgentCall | undefined, error: unknown, clock: Clock): CallReport {
  const outcome = error === undefined ? { success: true } : failure(error);
  if (call === undefined) return { ...NOTHING_REPORTED, ...outcome };
  const { model, timings } = call;
  const started = model.startedAt !== undefined;
  return {
    ...NOTHING_REPORTED,
    ...outcome,
    callId: model.id,
    image: model.image,
    createdAt: model.createdAt,
    startedAt: model.startedAt,
    completedAt: started ? (model.completedAt ?? clock.now()) : undefined,
    schedulerNs: timings.schedulerNs,
    executionNs: timings.executionNs,
    imagePullWaitNs: timings.imagePullWaitNs,
    containerPrepareNs: timings.containerPrepareNs,
    containerCreateNs: timings.containerCreateNs,
    containerInitNs: timings.containerInitNs,
  };
}

function failure(error: unknown): Partial<CallReport> {
  if (error instanceof FnError && error.code !== 'internal') {
    return { errorCode: error.status, errorText: error.message, errorUser: error.isFunctionFault };
  }
  if (error instanceof PeerError)
    return { errorCode: error.status, errorText: error.message, errorUser: error.isFunctionFault };
  // An error without a place in the table has code 0 on the wire, and its own text.
  const cause = error instanceof FnError ? (error.cause ?? error) : error;
  return { errorCode: 0, errorText: (cause instanceof Error && cause.message) || 'unknown error' };
}
