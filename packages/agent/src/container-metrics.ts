import { type Clock, count, observe } from '@fnfleet/core';

/** The states of a container that operators see. `wait` is before it exists: its resources are not there yet. */
export type ReportedState = 'wait' | 'start' | 'idle' | 'paused' | 'busy';

/** Counts one container in the gauge of its state, and how long it was in each. */
export class ContainerMetrics {
  private state: ReportedState | undefined;
  private since = 0n;
  private readonly labels: Readonly<Record<string, string>>;

  constructor(
    private readonly clock: Clock,
    of: { readonly appId: string; readonly fnId: string; readonly image: string },
  ) {
    this.labels = { app_id: of.appId, fn_id: of.fnId, image_name: of.image };
  }

  enter(state: ReportedState): void {
    this.leave();
    this.state = state;
    this.since = this.clock.nowNs();
    count(`container_${state}_total`, 1, this.labels);
  }

  leave(): void {
    const { state } = this;
    if (state === undefined) return;
    this.state = undefined;
    count(`container_${state}_total`, -1, this.labels);
    // Milliseconds, whatever the name says: the original's dashboards rely on it.
    observe(`container_${state}_duration_seconds`, Number(this.clock.nowNs() - this.since) / 1e6, this.labels);
  }
}
