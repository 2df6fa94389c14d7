import { type Clock, type MonoMs, sleepOn, type Timer, type WallMs, wallMs } from '@fnfleet/core';
import { TimerHeap } from './timer-heap.js';

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
