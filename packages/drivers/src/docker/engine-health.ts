import { type Clock, LONG_AGO, later, type Timer } from '@fnfleet/core';
import { HealthState } from '../driver-health.js';
import { EngineTimeoutError } from './engine-errors.js';
import type { CallKind, EngineObserver } from './engine-transport.js';

/** E2 */
const MISSED_PROBES = 2;
/** E3 */
const STUCK_CALLS = 3;
const STUCK_REST_MS = 30_000;
/** Delay before the next probe when the engine did not answer, milliseconds. */
const RETRY_MS = 500;

export interface EngineHealthOptions {
  /** The address of the engine, for messages. */
  readonly address: string;
  /** Settles within its own deadline. */
  readonly ping: () => Promise<void>;
  readonly intervalMs: number;
  readonly clock: Clock;
}

/**
 * Tracks whether the engine can create containers.
 *
 * E1  It is probed at intervals. An unanswered request triggers a probe at once.
 * E2  After MISSED_PROBES unanswered probes in a row the engine is degraded, until it answers a probe.
 * E3  An engine may answer probes but complete nothing, when something behind it hangs. After STUCK_CALLS changes in a row that
 *     timed out it is degraded for STUCK_REST_MS. After that a single timed-out change degrades it again, until a change
 *     succeeds.
 */
export class EngineHealth extends HealthState implements EngineObserver {
  private missed = 0;
  private stuck = 0;
  /** By the wall clock, milliseconds. */
  private restUntil = LONG_AGO;
  private timer: Timer | undefined;
  private closed = false;
  private probing = false;

  constructor(private readonly options: EngineHealthOptions) {
    super(options.clock);
  }

  /** Probes until `close`. */
  start(): void {
    this.schedule(this.options.intervalMs);
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  /** E1. Probes now. */
  look(): void {
    if (this.timer !== undefined && !this.isDegraded && !this.probing) this.schedule(0);
  }

  answered(kind: CallKind): void {
    if (kind === 'change' || kind === 'removal') this.stuck = 0;
  }

  unanswered(kind: CallKind, error: Error): void {
    if (kind === 'probe' || kind === 'open') return;
    if (kind === 'change' && error instanceof EngineTimeoutError) this.countStuck(error);
    this.look();
  }

  private countStuck(error: Error): void {
    this.stuck += 1;
    if (this.stuck < STUCK_CALLS) return;
    this.restUntil = later(this.options.clock.now(), STUCK_REST_MS);
    this.stuck = STUCK_CALLS - 1;
    this.degrade(this.reason(error));
  }

  private schedule(delayMs: number): void {
    this.timer?.cancel();
    if (this.closed) return;
    this.timer = this.options.clock.after(delayMs, () => void this.probe());
  }

  private async probe(): Promise<void> {
    this.probing = true;
    const failure = await this.options.ping().then(
      () => undefined,
      (error: Error) => error,
    );
    this.probing = false;
    this.missed = failure === undefined ? 0 : this.missed + 1;
    if (failure !== undefined && this.missed >= MISSED_PROBES) this.degrade(this.reason(failure));
    if (failure === undefined && this.options.clock.now() >= this.restUntil) this.recover();
    const hurry = this.isDegraded || this.missed > 0;
    this.schedule(hurry ? Math.min(RETRY_MS, this.options.intervalMs) : this.options.intervalMs);
  }

  private reason({ message }: Error): string {
    return `the Docker engine at ${this.options.address} cannot be used: ${message}`;
  }
}
