import { type Clock, type MonoMs, sleepOn, type Timer, type WallMs, wallMs } from '@fnfleet/core';

/** Number of timers between two turns of the event loop. */
const BREATH = 10_000;

/**
 * Virtual time, which jumps from one event to the next. Production code runs on it unchanged: time advances only after
 * every promise that can settle has settled.
 */
export class VirtualClock implements Clock {
  private readonly timers = new TimerHeap();
  private nowMs = 0;

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Milliseconds since the start of the simulation. */
  now(): MonoMs {
    return this.nowMs as MonoMs;
  }

  /** Wall-clock time; the simulation starts at the epoch. */
  wallNow(): WallMs {
    return wallMs(this.nowMs);
  }

  after(delayMs: number, callback: () => void): Timer {
    if (!(delayMs < Number.POSITIVE_INFINITY)) return NEVER;
    return this.timers.add(this.nowMs + Math.max(0, delayMs), callback);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /**
   * Fires timers in order of due time until `done`, or until none is left.
   * @returns the number of timers fired
   * @throws the error of a callback
   */
  run(done: () => boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      let fired = 0;
      // Node processes the next-tick queue only when no microtask is left, including those that microtasks create. So a
      // tick scheduled from a microtask runs after everything that can settle. A turn of the event loop has the same
      // effect at ten times the cost; it happens now and then, for other code in this process.
      const afterAll = () => process.nextTick(step);
      const step = () => {
        try {
          const timer = done() ? undefined : this.timers.take();
          if (timer === undefined) return resolve(fired);
          this.nowMs = Math.max(this.nowMs, timer.at);
          fired += 1;
          timer.fire();
          if (fired % BREATH === 0) setImmediate(step);
          else queueMicrotask(afterAll);
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(step);
    });
  }
}

const NEVER: Timer = { cancel: () => undefined };

/** A callback with its due time. It stays in the heap until it is removed, even after it was cancelled. */
class ScheduledTimer implements Timer {
  constructor(
    readonly at: number,
    /** Order of creation, which breaks ties between timers that are due at the same time. */
    readonly order: number,
    private callback: (() => void) | undefined,
    private readonly heap: TimerHeap,
  ) {}

  get cancelled(): boolean {
    return this.callback === undefined;
  }

  cancel(): void {
    if (this.callback === undefined) return;
    this.callback = undefined;
    this.heap.noteCancelled();
  }

  fire(): void {
    const { callback } = this;
    this.callback = undefined;
    callback?.();
  }
}

/** A binary heap of timers by due time. Cancelled ones are dropped when they reach the top, or form the majority. */
class TimerHeap {
  private items: ScheduledTimer[] = [];
  private cancelled = 0;
  private order = 0;

  /** Timers that have neither fired nor been cancelled. */
  get size(): number {
    return this.items.length - this.cancelled;
  }

  add(at: number, callback: () => void): ScheduledTimer {
    const timer = new ScheduledTimer(at, this.order++, callback, this);
    this.items.push(timer);
    this.siftUp(this.items.length - 1);
    return timer;
  }

  /** Removes and returns the earliest timer. */
  take(): ScheduledTimer | undefined {
    for (;;) {
      const first = this.items[0];
      if (first === undefined) return undefined;
      const last = this.items.pop() as ScheduledTimer;
      if (this.items.length > 0) {
        this.items[0] = last;
        this.siftDown(0);
      }
      if (!first.cancelled) return first;
      this.cancelled -= 1;
    }
  }

  noteCancelled(): void {
    this.cancelled += 1;
    if (this.cancelled < 64 || this.cancelled * 2 < this.items.length) return;
    this.items = this.items.filter((timer) => !timer.cancelled);
    this.cancelled = 0;
    for (let i = (this.items.length >> 1) - 1; i >= 0; i -= 1) this.siftDown(i);
  }

  private siftUp(from: number): void {
    const { items } = this;
    const timer = items[from] as ScheduledTimer;
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = items[parentAt] as ScheduledTimer;
      if (!isBefore(timer, parent)) break;
      items[at] = parent;
      at = parentAt;
    }
    items[at] = timer;
  }

  private siftDown(from: number): void {
    const { items } = this;
    const timer = items[from] as ScheduledTimer;
    let at = from;
    for (;;) {
      let childAt = at * 2 + 1;
      if (childAt >= items.length) break;
      const right = items[childAt + 1];
      if (right !== undefined && isBefore(right, items[childAt] as ScheduledTimer)) childAt += 1;
      const child = items[childAt] as ScheduledTimer;
      if (!isBefore(child, timer)) break;
      items[at] = child;
      at = childAt;
    }
    items[at] = timer;
  }
}

function isBefore(a: ScheduledTimer, b: ScheduledTimer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
