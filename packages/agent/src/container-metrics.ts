import { type Clock, count, LONG_AGO, observe } from '@fnfleet/core';

/** The states of a container that operators see. `wait` is before it exists: its resources are not there yet. */
export type ReportedState = 'wait' | 'start' | 'idle' | 'paused' | 'busy';

/** Counts one container in the gauge of its state, and how long it was in each. */
export class ContainerMetrics {
  private state: ReportedState | undefined;
  private since = LONG_AGO;
  private readonly labels: Readonly<Record<string, string>>;

  constructor(
    private readonly clock: Clock,
    of: { readonly appId: string; readonly fnId: string; readonly image: string },
  ) {
    this.labels = { app_id: of.appId, fn_id: of.fnId, image_name: of.image };
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
      count(`container_${last}_total`, -1, this.labels);
      // Milliseconds, whatever the name says: the original's dashboards rely on it.
      observe(`container_${last}_duration_seconds`, now - this.since, this.labels);
    }
    if (next !== undefined) count(`container_${next}_total`, 1, this.labels);
    this.state = next;
    this.since = now;
  }
}
