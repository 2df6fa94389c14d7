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

/** How calls end, as metrics tell it. */
type Ending = 'completed' | 'timeouts' | 'server_busy' | 'canceled' | 'errors';

/** Frozen: the series of labels that cannot change are found by the object. */
const LABELS = {
  completed: Object.freeze({ call_status: 'completed' }),
  timeouts: Object.freeze({ call_status: 'timeouts' }),
  server_busy: Object.freeze({ call_status: 'server_busy' }),
  canceled: Object.freeze({ call_status: 'canceled' }),
  errors: Object.freeze({ call_status: 'errors' }),
} as const satisfies Record<Ending, Labels>;

const TURNED_AWAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['serverBusy', 'appOverShare', 'imagePulling']);

/** Counts how a call ended. @param error undefined: well */
export function countEnd(call: LbCall, error: unknown, clock: Pick<Clock, 'now'>): void {
  const ending = endingOf(error);
  count(ending);
  const elapsedMs = clock.now() - (call.startedAt ?? call.arrivedAt);
  // What the function took is not the balancer's doing. Its clock is another machine's, so it may seem to exceed the whole.
  observe('lb_call_latency', Math.max(0, elapsedMs - call.executionNs / 1e6), LABELS[ending]);
}

/** Writes on the model how the call ended. */
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
