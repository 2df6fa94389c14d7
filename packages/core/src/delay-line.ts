import type { Clock, MonoMs, Timer } from './clock.js';
import { later } from './clock.js';

/**
 * Timers that all have the same delay, for what is set for every call and nearly always cancelled at once. They share one timer of the
 * clock, which stays set when they are cancelled, so that the next one needs none: a timer of Node costs more than the rest of this.
 */
export class DelayLine {
  /** In the order of their times. Cancelled ones stay until they are the last or the first. */
  private readonly waiting: Delayed[] = [];
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Pick<Clock, 'now' | 'after'>,
    private readonly delayMs: number,
  ) {}

  /** Those that are neither over nor cancelled. */
  get size(): number {
    return this.waiting.reduce((size, { isOver }) => (isOver ? size : size + 1), 0);
  }

  /** Runs the callback once after the delay, unless cancelled. It must not throw. */
  add(callback: () => void): Timer {
    const delayed = new Delayed(later(this.clock.now(), this.delayMs), callback, this);
    this.waiting.push(delayed);
    this.timer ??= this.clock.after(this.delayMs, this.onTime);
    return delayed;
  }

  /** Cancels all, and the timer of the clock. */
  close(): void {
    this.waiting.length = 0;
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** For those that it has made. */
  forgetLast(): void {
    while (this.waiting.at(-1)?.isOver) this.waiting.pop();
  }

  private readonly onTime = (): void => {
    this.timer = undefined;
    const now = this.clock.now();
    let over = 0;
    for (const delayed of this.waiting) {
      if (!delayed.isOver && delayed.at > now) break;
      over += 1;
    }
    for (const delayed of this.waiting.splice(0, over)) delayed.run();
    const [next] = this.waiting;
    if (next !== undefined) this.timer ??= this.clock.after(next.at - this.clock.now(), this.onTime);
  };
}

class Delayed implements Timer {
  constructor(
    readonly at: MonoMs,
    private callback: (() => void) | undefined,
    private readonly line: DelayLine,
  ) {}

  get isOver(): boolean {
    return this.callback === undefined;
  }

  cancel(): void {
    this.callback = undefined;
    this.line.forgetLast();
  }

  run(): void {
    const { callback } = this;
    this.callback = undefined;
    callback?.();
  }
}
