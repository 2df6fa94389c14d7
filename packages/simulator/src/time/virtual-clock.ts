import { type Clock, type MonoMs, sleepOn, type Timer, type WallMs, wallMs } from '@fnfleet/core';
import { TimerHeap } from './timer-heap.js';

/** Timers between two turns of the event loop. */
const BREATH = 10_000;

/**
 * Time that passes only from one event to the next. Production code runs on it unchanged: before time moves on, every
 * promise that can settle has settled.
 */
export class VirtualClock implements Clock {
  private readonly timers = new TimerHeap();
  private nowMs = 0;

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Milliseconds since the simulation began. */
  now(): MonoMs {
    return this.nowMs as MonoMs;
  }

  /** The simulation begins at the epoch. */
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
   * Fires timers in the order they are due, until `done` or none is left.
   * @returns how many were fired
   * @throws what a callback throws
   */
  run(done: () => boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      let fired = 0;
      // Node runs what was put off until the next tick only when no microtask is left, nor any that those bring about: what
      // is put off from a microtask comes after everything that can settle. A turn of the event loop would do that as well,
      // at ten times the cost; now and then there is one, for whoever else lives in this process.
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
