import { type Clock, MIB, type Timer } from '@fnfleet/core';
import type { LoadReport } from '@fnfleet/protocol';
import type { SimulatedCall } from './simulated-call.js';

/** `lost`: the machine went down before the function had started; `cut`: while it was running. */
export type Ending = 'finished' | 'lost' | 'cut';

export interface MachineModel {
  readonly memoryMb: number;
  /** How long an idle container is kept. */
  readonly keepAliveMs: number;
  /**
   * Whether it queues calls that it has no capacity for, in order of arrival; a runner of fnfleet would refuse them.
   */
  readonly queues: boolean;
}

/**
 * The machine of a runner: memory, and containers that hold it. It is independent of balancers.
 *
 * M1  A call holds the memory of its function from admission to its end; idle containers hold theirs until it is
 *     needed.
 * M2  Admission uses a hot container, or starts one, or refuses. It never waits, unless the machine queues calls.
 * M3  An admitted call ends exactly once, and its memory is then free or idle.
 */
export class Machine {
  private readonly hot: HotContainers;
  private readonly running = new Set<Execution>();
  private readonly queue: Waiting[] = [];
  /** Memory held by calls. */
  busyMb = 0;
  private generation = 0;
  /** Execution time as a multiple of that on an ordinary machine. */
  slowness = 1;
  draining = false;
  down = false;
  /** Megabytes times milliseconds held by calls so far. */
  busyMbMs = 0;
  /** Called for each idle container that is removed. */
  readonly removalListeners: ((fnId: string) => void)[] = [];

  constructor(
    readonly address: string,
    private readonly model: MachineModel,
    private readonly clock: Clock,
  ) {
    this.hot = new HotContainers(model.keepAliveMs, (fnId) => {
      for (const listener of this.removalListeners) listener(fnId);
    });
  }

  get active(): number {
    return this.running.size + this.queue.length;
  }

  get memoryUsedMb(): number {
    return this.busyMb + this.hot.memoryMb;
  }

  get memoryMb(): number {
    return this.model.memoryMb;
  }

  /** @returns false if it refuses the call; otherwise it calls `ended` exactly once */
  offer(call: SimulatedCall, ended: (how: Ending) => void): boolean {
    if (this.draining) return false;
    if (this.queue.length === 0 && this.admit(call, ended)) return true;
    if (!this.model.queues) return false;
    this.queue.push({ call, ended });
    return true;
  }

  load(fnId?: string): LoadReport {
    this.hot.expire(this.clock.now());
    return {
      instanceId: `${this.address}/${this.generation}`,
      memoryUsedBytes: this.memoryUsedMb * MIB,
      memoryTotalBytes: this.model.memoryMb * MIB,
      memoryIdleBytes: this.hot.memoryMb * MIB,
      cpuUsedMillis: 0,
      cpuTotalMillis: 0,
      active: this.active,
      waiting: this.queue.length,
      freeSlots: fnId === undefined ? undefined : this.hot.count(fnId),
      draining: this.draining,
      degraded: false,
      degradedReason: '',
    };
  }

  /** Crashes: everything on the machine is lost at once. */
  kill(): void {
    this.down = true;
    for (const execution of this.running) {
      execution.timer.cancel();
      this.release(execution);
      execution.ended(this.clock.now() < execution.startsAt ? 'lost' : 'cut');
    }
    this.running.clear();
    for (const { ended } of this.queue.splice(0)) ended('lost');
    this.hot.free(Number.POSITIVE_INFINITY);
  }

  /** Restarts empty, as a new process. */
  restart(): void {
    this.down = false;
    this.draining = false;
    this.generation += 1;
  }

  private admit(call: SimulatedCall, ended: (how: Ending) => void): boolean {
    const now = this.clock.now();
    this.hot.expire(now);
    const { fnId, memoryMb } = call.model;
    const warm = this.hot.take(fnId);
    if (!warm) {
      const missingMb = this.memoryUsedMb + memoryMb - this.model.memoryMb;
      if (missingMb > this.hot.memoryMb) return false;
      if (missingMb > 0) this.hot.free(missingMb);
      call.cold = true;
    }
    this.busyMb += memoryMb;
    const startsAt = now + (warm ? 0 : call.initMs * this.slowness);
    const endsAt = startsAt + call.execMs * this.slowness;
    const execution: Execution = {
      memoryMb,
      admittedAt: now,
      startsAt,
      ended,
      timer: this.clock.after(endsAt - now, () => this.finish(execution, fnId)),
    };
    this.running.add(execution);
    return true;
  }

  private finish(execution: Execution, fnId: string): void {
    this.running.delete(execution);
    this.release(execution);
    this.hot.put(fnId, execution.memoryMb, this.clock.now());
    this.admitWaiting();
    execution.ended('finished');
  }

  private release({ memoryMb, admittedAt }: Execution): void {
    this.busyMb -= memoryMb;
    this.busyMbMs += memoryMb * (this.clock.now() - admittedAt);
  }

  private admitWaiting(): void {
    for (let next = this.queue[0]; next !== undefined; next = this.queue[0]) {
      if (!this.admit(next.call, next.ended)) return;
      this.queue.shift();
    }
  }
}

interface Execution {
  readonly memoryMb: number;
  readonly admittedAt: number;
  /** When the function starts to run. */
  readonly startsAt: number;
  readonly ended: (how: Ending) => void;
  readonly timer: Timer;
}

interface Waiting {
  readonly call: SimulatedCall;
  readonly ended: (how: Ending) => void;
}

/** An idle container, which waits for the next call of its function. */
interface IdleContainer {
  readonly fnId: string;
  readonly memoryMb: number;
  readonly sinceMs: number;
  older: IdleContainer | undefined;
  newer: IdleContainer | undefined;
}

/**
 * The idle containers of one machine. A call gets the most recently used one of its function; eviction removes the
 * least recently used one of any function.
 */
class HotContainers {
  private readonly byFunction = new Map<string, IdleContainer[]>();
  private oldest: IdleContainer | undefined;
  private newest: IdleContainer | undefined;
  /** Total memory of idle containers. */
  memoryMb = 0;

  constructor(
    private readonly keepAliveMs: number,
    private readonly removed: (fnId: string) => void = () => undefined,
  ) {}

  count(fnId: string): number {
    return this.byFunction.get(fnId)?.length ?? 0;
  }

  put(fnId: string, memoryMb: number, nowMs: number): void {
    const container: IdleContainer = { fnId, memoryMb, sinceMs: nowMs, older: this.newest, newer: undefined };
    if (this.newest === undefined) this.oldest = container;
    else this.newest.newer = container;
    this.newest = container;
    const same = this.byFunction.get(fnId);
    if (same === undefined) this.byFunction.set(fnId, [container]);
    else same.push(container);
    this.memoryMb += memoryMb;
  }

  /** Takes a container of the function. @returns false if there is none */
  take(fnId: string): boolean {
    const container = this.byFunction.get(fnId)?.pop();
    if (container === undefined) return false;
    this.unlink(container);
    return true;
  }

  /** Removes containers that have been idle for too long. */
  expire(nowMs: number): void {
    while (this.oldest !== undefined && nowMs - this.oldest.sinceMs >= this.keepAliveMs) this.dropOldest(this.oldest);
  }

  /** Removes the oldest containers until enough memory is freed, or none is left. */
  free(memoryMb: number): void {
    const target = this.memoryMb - memoryMb;
    while (this.oldest !== undefined && this.memoryMb > target) this.dropOldest(this.oldest);
  }

  private dropOldest(container: IdleContainer): void {
    this.byFunction.get(container.fnId)?.shift();
    this.unlink(container);
    this.removed(container.fnId);
  }

  private unlink(container: IdleContainer): void {
    const { older, newer, fnId } = container;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    this.memoryMb -= container.memoryMb;
    if (this.byFunction.get(fnId)?.length === 0) this.byFunction.delete(fnId);
  }
}
