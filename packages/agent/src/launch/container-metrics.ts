import { type Clock, count, LONG_AGO, observe } from '@fnfleet/core';

/** The container states that operators see. `wait` precedes the container: it still waits for resources. */
export type ReportedState = 'wait' | 'start' | 'idle' | 'paused' | 'busy';

const TOTALS = {
  wait: 'container_wait_total',
  start: 'container_start_total',
  idle: 'container_idle_total',
  paused: 'container_paused_total',
  busy: 'container_busy_total',
} as const;

const DURATIONS = {
  wait: 'container_wait_duration_seconds',
  start: 'container_start_duration_seconds',
  idle: 'container_idle_duration_seconds',
  paused: 'container_paused_duration_seconds',
  busy: 'container_busy_duration_seconds',
} as const;

/** Counts one container in the gauge of its current state, and records how long it was in each. */
export class ContainerMetrics {
  private state: ReportedState | undefined;
  private since = LONG_AGO;
  private readonly labels: Readonly<Record<string, string>>;

  constructor(
    private readonly clock: Clock,
    of: { readonly appId: string; readonly fnId: string; readonly image: string },
  ) {
    // Frozen, so that the metrics recognize them by identity instead of comparing their content.
    this.labels = Object.freeze({ app_id: of.appId, fn_id: of.fnId, image_name: of.image });
  }

  enter(state: ReportedState): void {
    this.change(state);
  }

  leave(): void {
    this.change(undefined);
  }

  private change(next: ReportedState | undefined): void {
    const now = this.clock.now();
    const last = this.state;
    if (last !== undefined) {
      count(TOTALS[last], -1, this.labels);
      // Milliseconds, despite the name: dashboards made for Fn rely on it.
      observe(DURATIONS[last], now - this.since, this.labels);
    }
    if (next !== undefined) count(TOTALS[next], 1, this.labels);
    this.state = next;
    this.since = now;
  }
}
