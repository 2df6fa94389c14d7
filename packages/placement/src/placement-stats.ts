import { CancelledError, type Clock, count, countFromZero, type MetricName, type MonoMs, observe } from '@fnfleet/core';
import type { AttemptOutcome } from '@fnfleet/protocol';

const COUNTERS = [
  'lb_placer_rp_error_count',
  'lb_placer_rp_empty_count',
  'lb_placer_client_cancelled_count',
  'lb_placer_client_timeout_count',
  'lb_placer_timeout_count',
  'lb_placer_placed_error_count',
  'lb_placer_placed_abort_count',
  'lb_placer_placed_ok_count',
  'lb_placer_retry_busy_count',
  'lb_placer_retry_error_count',
] as const satisfies MetricName[];

/** Exports the metrics of placement from the start. */
export function showPlacementStats(): void {
  for (const name of COUNTERS) countFromZero(name);
}

/** The metrics of one placement. */
export class PlacementStats {
  private readonly startedAt: MonoMs;
  private lastAttemptAt: MonoMs | undefined;
  private attempts = 0;

  constructor(private readonly clock: Pick<Clock, 'now'>) {
    this.startedAt = clock.now();
  }

  get elapsedMs(): number {
    return this.clock.now() - this.startedAt;
  }

  /** @returns `elapsedMs` */
  attempt(): number {
    this.attempts += 1;
    this.lastAttemptAt = this.clock.now();
    return this.lastAttemptAt - this.startedAt;
  }

  /** @param ms since it was offered */
  refused(outcome: AttemptOutcome & { kind: 'refused' }, ms: number): void {
    observe('lb_placer_refusal_latency', ms);
    count(outcome.reason === 'busy' ? 'lb_placer_retry_busy_count' : 'lb_placer_retry_error_count');
  }

  emptyPass(): void {
    count('lb_placer_rp_empty_count');
  }

  /** A runner took the call. The time that it ran does not count as placement time. */
  placed(outcome: AttemptOutcome, signal: AbortSignal): void {
    if (outcome.kind === 'finished') count('lb_placer_placed_ok_count');
    else count(signal.aborted ? 'lb_placer_placed_abort_count' : 'lb_placer_placed_error_count');
    this.ended(this.lastAttemptAt ?? this.startedAt, signal);
  }

  unplaced(why: { poolError: boolean; outOfTime: boolean }, signal: AbortSignal): void {
    if (why.poolError) count('lb_placer_rp_error_count');
    if (why.outOfTime) count('lb_placer_timeout_count');
    this.ended(this.clock.now(), signal);
  }

  private ended(end: MonoMs, signal: AbortSignal): void {
    if (signal.aborted) {
      const left = signal.reason instanceof CancelledError;
      count(left ? 'lb_placer_client_cancelled_count' : 'lb_placer_client_timeout_count');
    }
    observe('lb_placer_attempt_count', this.attempts);
    observe('lb_placer_latency', end - this.startedAt);
  }
}
