import type { Timer } from '@fnfleet/core';

/** A callback with its due time. It stays in the heap until it is removed, even after it was cancelled. */
export class ScheduledTimer implements Timer {
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
export class TimerHeap {
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
