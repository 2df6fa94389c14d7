import type { AgentCall } from '@fnfleet/agent';
import { CallDecodeError, type Clock, describeError, FnError, PeerError } from '@fnfleet/core';
import { type CallReport, MAX_ERROR_TEXT, NOTHING_REPORTED } from '@fnfleet/protocol';

/**
 * The outcome of a call, as reported to a balancer.
 * @param call undefined if it could not be built
 * @param error undefined if it succeeded
 */
export function callReport(call: AgentCall | undefined, error: unknown, clock: Pick<Clock, 'wallNow'>): CallReport {
  const outcome = error === undefined ? { success: true } : failure(error);
  if (call === undefined) return { ...NOTHING_REPORTED, ...outcome };
  const { model, timings } = call;
  const started = model.startedAt !== undefined;
  return {
    ...NOTHING_REPORTED,
    ...outcome,
    callId: bounded(model.id),
    image: bounded(model.image),
    createdAt: model.createdAt,
    startedAt: model.startedAt,
    completedAt: started ? (model.completedAt ?? clock.wallNow()) : undefined,
    schedulerNs: timings.schedulerNs,
    executionNs: timings.executionNs,
    imagePullWaitNs: timings.imagePullWaitNs,
    containerPrepareNs: timings.containerPrepareNs,
    containerCreateNs: timings.containerCreateNs,
    containerInitNs: timings.containerInitNs,
  };
}

/** `errorUser` prevents a balancer from counting it as a failure of this runner. */
function failure(error: unknown): Partial<CallReport> {
  if ((error instanceof FnError && error.code !== 'internal') || error instanceof PeerError) {
    const { status, message, blame, detail } = error;
    const { retryAfterSeconds } = describeError(error);
    return {
      errorCode: status,
      errorText: bounded(message),
      errorDetail: bounded(detail),
      errorUser: blame !== 'platform',
      // Only for a pull: a busy runner says nothing about the other runners.
      ...(error instanceof FnError && error.code === 'imagePulling' && { retryAfterSeconds: retryAfterSeconds ?? 0 }),
    };
  }
  // An error without a place in the table has code 0 on the wire, and its own text.
  const cause = error instanceof FnError ? (error.cause ?? error) : error;
  const text = (cause instanceof Error && cause.message) || 'unknown error';
  return { errorCode: 0, errorText: bounded(text), errorUser: cause instanceof CallDecodeError };
}

/** Texts come from images, registries and calls; a report has to fit into one message. */
function bounded(text: string): string {
  return text.slice(0, MAX_ERROR_TEXT);
}
