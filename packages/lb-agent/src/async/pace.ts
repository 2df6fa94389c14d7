import { type Clock, LONG_AGO, later, type MonoMs } from '@fnfleet/core';
import type { CpuMeter } from './cpu-meter.js';
import { LatencyContrast, type Part } from './latency-contrast.js';

/** How often it looks at the machine. */
const LOOK_MS = 250;
/** For how long a call of a client shows that there are such calls. */
const CLIENTS_MS = 2_000;
/** Asynchronous calls that run when clients begin to call. */
const FIRST = 1 / 4;
/** Of the time, which even the p99 of the calls of clients hardly shows. */
const LEAST = 1 / 200;
/** The growth at each look while there are too few calls of clients to compare, and after each comparison that shows no effect. */
const GROWTH_UNSEEN = 1.1;
const GROWTH = 2;
/** P4 */
const MAX_REST_MS = 1_000;

export interface PaceOptions {
  /** Maximum number of asynchronous calls at a time. */
  readonly limit: number;
  /** Share of the CPU in use, from 0 to 1, from which on the machine is busy. */
  readonly busy: number;
  /** How many asynchronous calls may start for each call of a client whatever the effect, from 0 to 1. */
  readonly share: number;
  readonly cpu: CpuMeter;
  readonly clock: Pick<Clock, 'now'>;
  readonly random?: () => number;
}

/** Of a call of a client, for `clientEnd`. */
export interface ClientCall {
  readonly startedAt: MonoMs;
  readonly part: Part;
}

/**
 * How many asynchronous calls may run, so that they take what clients leave. That a runner has room says nothing about the CPU that
 * API node, balancer and runner need for a call.
 *
 * P1  While no client calls, all of them.
 * P2  When a client calls, one at a time, with a pause three times as long as it took. While clients call, half as many at each look at a
 *     machine that was busy before as well, and when their calls take longer with asynchronous calls than without; twice as many if
 *     there is no such effect.
 * P3  Fewer than one means pauses: with 0.1, one of them runs for a tenth of the time.
 * P4  A pause is at most a second, so that a backlog never stands still, and lets the set share of the rate of the clients' calls start.
 */
export class Pace {
  private level: number;
  private maxRestMs = MAX_REST_MS;
  private clientCalls = 0;
  private clientAt: MonoMs = LONG_AGO;
  private seenAt: MonoMs = LONG_AGO;
  /** Whether it was, at the last look. */
  private wasBusy = false;
  private startedAt: MonoMs = LONG_AGO;
  private restUntil: MonoMs = LONG_AGO;
  /** Whether it has let any start since it has last changed, without which there is no effect to see. */
  private isUsed = false;
  private readonly contrast: LatencyContrast;

  constructor(private readonly options: PaceOptions) {
    this.level = options.limit;
    this.contrast = new LatencyContrast(options.random ?? Math.random);
  }

  /** A client calls. */
  clientCall(): ClientCall {
    const startedAt = this.options.clock.now();
    if (!this.hasClients(startedAt)) this.change(Math.min(this.level, FIRST));
    this.clientAt = startedAt;
    this.clientCalls += 1;
    return { startedAt, part: this.contrast.begin(startedAt) };
  }

  /** The call of a client has ended. */
  clientEnd({ startedAt, part }: ClientCall): void {
    this.contrast.ended(part, this.options.clock.now() - startedAt);
  }

  /** An asynchronous call starts. */
  start(): void {
    this.startedAt = this.options.clock.now();
    this.isUsed = true;
  }

  /** An asynchronous call has ended. */
  end(): void {
    if (this.level >= 1) return;
    const now = this.options.clock.now();
    const restMs = (now - this.startedAt) * (1 / this.level - 1);
    this.restUntil = later(now, Math.min(restMs, this.maxRestMs));
  }

  /** Whether as many may run as at any time, so that more of them may be leased. */
  get isOpen(): boolean {
    return this.level === this.options.limit;
  }

  /** As of the last look. @returns how many may start now, besides those that run; 0 or less if none may */
  free(running: number): number {
    const { level } = this;
    const now = this.options.clock.now();
    if (this.heldMs(now) > 0) return 0;
    if (level >= 1) return Math.floor(level) - running;
    return (now >= this.restUntil ? 1 : 0) - running;
  }

  /** How long none may start, although none runs; 0 if one may. */
  restMs(): number {
    const now = this.options.clock.now();
    return Math.max(this.heldMs(now), this.level < 1 ? this.restUntil - now : 0, 0);
  }

  /** Looks at the machine, unless it has just done so. @returns `free` */
  async room(running: number): Promise<number> {
    const { cpu, clock } = this.options;
    const now = clock.now();
    if (now >= later(this.seenAt, LOOK_MS)) {
      const isFirst = this.seenAt === LONG_AGO;
      const elapsedMs = isFirst ? LOOK_MS : now - this.seenAt;
      this.seenAt = now;
      this.look(await cpu(), elapsedMs);
    }
    return this.free(running);
  }

  private hasClients(now: MonoMs): boolean {
    return now < later(this.clientAt, CLIENTS_MS);
  }

  private heldMs(now: MonoMs): number {
    return this.hasClients(now) ? this.contrast.heldMs(now) : 0;
  }

  private look(busy: number, elapsedMs: number): void {
    const { clock, limit, share, busy: fromBusy } = this.options;
    const { level, contrast } = this;
    const calls = this.clientCalls;
    this.clientCalls = 0;
    this.maxRestMs = Math.min(MAX_REST_MS, elapsedMs / (share * calls));
    if (!this.hasClients(clock.now())) return this.change(limit);
    const isBusy = busy >= fromBusy;
    const isBusyStill = isBusy && this.wasBusy;
    this.wasBusy = isBusy;
    if (isBusyStill) return this.change(level / 2);
    if (isBusy) return contrast.forget();
    if (!this.isUsed) return contrast.forget();
    if (!contrast.isPossible) return this.change(level * GROWTH_UNSEEN);
    const effect = contrast.effect();
    if (effect !== undefined) this.change(effect === 'slower' ? level / 2 : level * GROWTH);
  }

  private change(level: number): void {
    this.level = Math.min(this.options.limit, Math.max(LEAST, level));
    this.isUsed = false;
    this.contrast.forget();
  }
}
