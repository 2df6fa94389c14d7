import {
  type Call,
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

/** Counts the result of a call. @param error undefined if it succeeded */
export function countEnd(call: LbCall, error: unknown, clock: Pick<Clock, 'now'>): void {
  const ending = endingOf(error);
  count(ending);
  const elapsedMs = clock.now() - (call.startedAt ?? call.arrivedAt);
  // Subtract the time of the function. The clock of another machine measured it, so it may exceed the total.
  observe('lb_call_latency', Math.max(0, elapsedMs - call.executionNs / 1e6), LABELS[ending]);
}

/** Records the result of the call in its model. */
export function markEnd(model: Call, error: unknown, now: WallMs): void {
  model.completedAt = now;
  if (error === undefined) {
    model.status = 'success';
    return;
  }
  model.status = endingOf(error) === 'timeouts' ? 'timeout' : 'error';
  model.error = describeError(error).message;
}

function endingOf(error: unknown): Ending {
  if (error === undefined) return 'completed';
  if (error instanceof CancelledError) return 'canceled';
  if (error instanceof FnError && TURNED_AWAY.has(error.code)) return 'server_busy';
  if (error instanceof PeerError && error.retryAfterSeconds !== undefined) return 'server_busy';
  if (error instanceof FnError && error.code === 'reservationExpired') return 'timeouts';
  return 'errors';
}
