import {
  type Call,
  type CallOutcome,
  CancelledError,
  type Clock,
  count,
  describeError,
  type ErrorCode,
  FnError,
  type Labels,
  observe,
  PeerError,
  type WallMs,
} from '@fnfleet/core';
import type { LbCall } from './lb-call.js';

/** Results of calls in metrics. */
type Ending = 'completed' | 'timeouts' | 'server_busy' | 'canceled' | 'errors';

/** Frozen, because the series of immutable labels are found by object identity. */
const LABELS = {
  completed: Object.freeze({ call_status: 'completed' }),
  timeouts: Object.freeze({ call_status: 'timeouts' }),
  server_busy: Object.freeze({ call_status: 'server_busy' }),
  canceled: Object.freeze({ call_status: 'canceled' }),
  errors: Object.freeze({ call_status: 'errors' }),
} as const satisfies Record<Ending, Labels>;

const TURNED_AWAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['serverBusy', 'appOverShare', 'imagePulling']);

/** Counts the result of a call. */
export function countEnd(call: LbCall, outcome: CallOutcome, clock: Pick<Clock, 'now'>): void {
  const ending = endingOf(outcome);
  count(ending);
  const elapsedMs = clock.now() - (call.startedAt ?? call.arrivedAt);
  // Subtract the time of the function. The clock of another machine measured it, so it may exceed the total.
  observe('lb_call_latency', Math.max(0, elapsedMs - call.executionNs / 1e6), LABELS[ending]);
}

/** Records the result of the call in its model. */
export function markEnd(model: Call, outcome: CallOutcome, now: WallMs): void {
  model.completedAt = now;
  if (outcome.kind === 'completed') {
    model.status = 'success';
    return;
  }
  model.status = endingOf(outcome) === 'timeouts' ? 'timeout' : 'error';
  model.error = describeError(outcome.error).message;
}

function endingOf(outcome: CallOutcome): Ending {
  if (outcome.kind === 'completed') return 'completed';
  const { error } = outcome;
  if (error instanceof CancelledError) return 'canceled';
  if (error instanceof FnError && TURNED_AWAY.has(error.code)) return 'server_busy';
  if (error instanceof PeerError && error.retryAfterSeconds !== undefined) return 'server_busy';
  if (error instanceof FnError && error.code === 'reservationExpired') return 'timeouts';
  return 'errors';
}
