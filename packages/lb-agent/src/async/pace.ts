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
/** How long a turn takes, about. */
const TURN_MS = 25;
/** After this time no further call of it starts, whatever was leased for it. */
export const MAX_TURN_MS = 100;
const MAX_TURN_CALLS = 64;
/** Of the CPU, that a turn costs beside its calls: to lease them, and to report how they ended. */
const TURN_COST_MS = 5;
/** P4 */
const MAX_REST_MS = 2_000;
/** The part of the last call in how long one takes. */
const NEWEST = 1 / 4;

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
 * P2  When a client calls, one at a time, with pauses three times as long as they take. While clients call, half as many at each look at a
 *     machine that was busy before as well, and when their calls take longer with asynchronous calls than without; twice as many if
 *     there is no such effect.
 * P3  Fewer than one means turns and pauses: with 0.1, one of them runs for a tenth of the time. In a turn, one runs after the other, as
 *     many as take 25 ms. They are leased together, and their ends are reported together: for a call by itself, that takes the API
 *     node milliseconds of CPU, ten times as much as for one of a turn, and calls of clients wait meanwhile.
 * P4  A pause is at most two seconds, so that a backlog never stands still, and lets the set share of the rate of the clients' calls start.
 */
export class Pace {
  private level: number;
  /** P4. For each call of a turn. */
  private maxRestMs = Number.POSITIVE_INFINITY;
  private clientCalls = 0;
  private clientAt: MonoMs = LONG_AGO;
  private seenAt: MonoMs = LONG_AGO;
  /** Whether it was, at the last look. */
  private wasBusy = false;
  private startedAt: MonoMs = LONG_AGO;
  private endedAt: MonoMs = LONG_AGO;
  private running = 0;
  private restUntil: MonoMs = LONG_AGO;
  /** P3 */
  private turn: { readonly since: MonoMs; calls: number } | undefined;
  /** How long a call takes, about. */
  private callMs = TURN_MS;
  /** Whether it has let any start since it has last changed, without which there is no effect to see. */
  private isUsed = false;
  private readonly contrast: LatencyContrast;

  constructor(private readonly options: PaceOptions) {
    this.level = options.limit;
    this.contrast = new LatencyContrast(options.random ?? Math.random, (since) => this.wasUsed(since));
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
    this.running += 1;
    this.turn ??= { since: this.startedAt, calls: 0 };
    this.turn.calls += 1;
    this.isUsed = true;
  }

  /** An asynchronous call has ended. @param hasNext whether another one that is leased waits for that */
  end(hasNext: boolean): void {
    const { turn, level } = this;
    const now = this.options.clock.now();
    this.endedAt = now;
    this.running -= 1;
    if (level < 1) this.callMs += NEWEST * (now - this.startedAt - this.callMs);
    if (turn === undefined) return;
    const tookMs = now - turn.since;
    if (level < 1 && hasNext && tookMs < MAX_TURN_MS) return;
    this.turn = undefined;
    const restMs = (tookMs + TURN_COST_MS) * (1 / level - 1);
    this.restUntil = later(now, Math.max(0, Math.min(restMs, MAX_REST_MS, turn.calls * this.maxRestMs)));
  }

  /** P3. How many are to be leased for the next turn; undefined while there are no turns. */
  get turnCalls(): number | undefined {
    if (this.level >= 1) return undefined;
    return Math.min(MAX_TURN_CALLS, Math.max(1, Math.round(TURN_MS / Math.max(this.callMs, 0.01))));
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

  /** Whether any has run since then, or its pause has lasted. */
  private wasUsed(since: MonoMs): boolean {
    return this.running > 0 || this.endedAt >= since || (this.level < 1 && this.restUntil >= since);
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
    this.maxRestMs = elapsedMs / (share * calls);
    if (!this.hasClients(clock.now())) return this.change(limit);
    const isBusy = busy >= fromBusy;
    const isBusyStill = isBusy && this.wasBusy;
    this.wasBusy = isBusy;
    if (isBusyStill) return this.change(level / 2);
    if (isBusy) return;
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
