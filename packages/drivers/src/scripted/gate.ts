import { Deferred } from '@fnfleet/core';
import type { ContainerSpec } from '../driver.js';
import { untilAborted } from '../waiting.js';

export type Step = 'pull' | 'create' | 'start' | 'listen' | 'pause' | 'resume' | 'close';
export type Gates = Readonly<Record<Step, Gate>>;

/** A point where a test can hold containers, to observe what happens meanwhile. Open by default. */
export class Gate {
  private barrier: Deferred<void> | undefined;
  private holds: (spec: ContainerSpec) => boolean = () => true;
  private readonly arrivals: { readonly count: number; readonly seen: Deferred<void> }[] = [];
  private waitingNow = 0;

  /** How many containers wait at the gate now. */
  get waiting(): number {
    return this.waitingNow;
  }

  /** Closes the gate, for all containers or for those that `only` selects. */
  hold(only: (spec: ContainerSpec) => boolean = () => true): void {
    this.barrier ??= new Deferred();
    this.holds = only;
  }

  /** Opens the gate and releases the waiting containers. */
  release(): void {
    this.barrier?.resolve();
    this.barrier = undefined;
  }

  /** Resolves when at least `count` containers wait at the gate. */
  reached(count = 1): Promise<void> {
    const seen = new Deferred<void>();
    if (this.waitingNow >= count) seen.resolve();
    else this.arrivals.push({ count, seen });
    return seen.promise;
  }

  /** @throws CancelledError on abort */
  async pass(spec: ContainerSpec, signal: AbortSignal): Promise<void> {
    const barrier = this.holds(spec) ? this.barrier?.promise : undefined;
    if (barrier === undefined) return;
    this.waitingNow += 1;
    for (const { count, seen } of this.arrivals) if (this.waitingNow >= count) seen.resolve();
    try {
      await untilAborted(barrier, signal);
    } finally {
      this.waitingNow -= 1;
    }
  }
}
