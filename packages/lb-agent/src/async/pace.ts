import { type Clock, LONG_AGO, later, type MonoMs } from '@fnfleet/core';
import type { CpuMeter } from './cpu-meter.js';

/** How often it looks at the machine. */
const LOOK_MS = 250;
/** For how long a call of a client shows that there are such calls. */
const CLIENTS_MS = 2_000;

export interface PaceOptions {
  /** Maximum number of asynchronous calls at a time. */
  readonly limit: number;
  /** Share of the CPU in use, from 0 to 1, from which on the machine is busy. */
  readonly busy: number;
  /** How many asynchronous calls may start for each call of a client while the machine is busy even with few of them, from 0 to 1. */
  readonly share: number;
  readonly cpu: CpuMeter;
  readonly clock: Clock;
}

/**
 * How many asynchronous calls may run, so that they take what clients leave. That a runner has room says nothing about the CPU that
 * API node, balancer and runner need for a call.
 *
 * P1  While no client calls, all of them.
 * P2  While clients call and the machine is busy, half as many with each look at it, and down to one; then one more with each look at
 *     which it is not busy.
 * P3  If it is busy although only one runs, they start at the set share of the rate of the clients' calls, and at least one a second.
 */
export class Pace {
  private allowed: number;
  private isPressed = false;
  private clientCalls = 0;
  private clientAt: MonoMs = LONG_AGO;
  private seenAt: MonoMs = LONG_AGO;
  /** Starts that P3 allows. */
  private credit = 0;

  constructor(private readonly options: PaceOptions) {
    this.allowed = options.limit;
  }

  /** A client calls. */
  clientCall(): void {
    this.clientCalls += 1;
  }

  /** An asynchronous call starts. */
  start(): void {
    if (this.isPressed) this.credit -= 1;
  }

  /** Whether as many may run as at any time, so that more of them may be leased. */
  get isOpen(): boolean {
    return this.allowed === this.options.limit;
  }

  /** As of the last look. @returns how many may start now, besides those that run; 0 or less if none may */
  free(running: number): number {
    const free = Math.floor(this.allowed) - running;
    return this.isPressed && this.allowed === 1 ? Math.min(free, Math.floor(this.credit)) : free;
  }

  /** Looks at the machine, unless it has just done so. @returns `free` */
  async room(running: number): Promise<number> {
    const { cpu, clock } = this.options;
    const now = clock.now();
    if (now >= later(this.seenAt, LOOK_MS)) {
      const isFirst = this.seenAt === LONG_AGO;
      const elapsedMs = isFirst ? 0 : now - this.seenAt;
      this.seenAt = now;
      this.look(await cpu(), elapsedMs);
    }
    return this.free(running);
  }

  private look(busy: number, elapsedMs: number): void {
    const { clock, limit, share, busy: fromBusy } = this.options;
    const calls = this.clientCalls;
    this.clientCalls = 0;
    const now = clock.now();
    if (calls > 0) this.clientAt = now;
    const hasClients = now < later(this.clientAt, CLIENTS_MS);
    this.isPressed = hasClients && busy >= fromBusy;
    if (!hasClients) this.allowed = limit;
    else if (this.isPressed) this.allowed = Math.max(1, this.allowed / 2);
    else this.allowed = Math.min(limit, this.allowed + 1);
    // No more than one look adds: a credit that was saved would be a burst.
    this.credit = Math.min(1, this.credit) + Math.max(share * calls, elapsedMs / 1_000);
  }
}
