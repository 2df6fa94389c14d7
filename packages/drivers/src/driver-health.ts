import { type Clock, Deferred, systemClock, type WallMs } from '@fnfleet/core';

/** Whether new containers can be created. Existing containers keep serving in either state. */
export interface DriverHealth {
  readonly state: 'ok' | 'degraded';
  /** Why it is degraded, for operators. */
  readonly reason?: string;
  /** When the state began, for operators. */
  readonly since: WallMs;
}

/** The health of a driver and its changes, read-only. */
export interface HealthView {
  readonly now: DriverHealth;
  /**
   * The listener runs synchronously after each change, and must not throw.
   * @returns unsubscribes; idempotent
   */
  onChange(listener: (health: DriverHealth) => void): () => void;
}

/** The health of a driver, as the driver sets it. */
export class HealthState implements HealthView {
  private health: DriverHealth;
  private readonly listeners = new Set<(health: DriverHealth) => void>();

  constructor(private readonly clock: Pick<Clock, 'wallNow'> = systemClock) {
    this.health = { state: 'ok', since: clock.wallNow() };
  }

  get now(): DriverHealth {
    return this.health;
  }

  get isDegraded(): boolean {
    return this.health.state === 'degraded';
  }

  onChange(listener: (health: DriverHealth) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Does nothing while degraded: the first reason is kept. */
  degrade(reason: string): void {
    if (!this.isDegraded) this.change({ state: 'degraded', reason, since: this.clock.wallNow() });
  }

  recover(): void {
    if (this.isDegraded) this.change({ state: 'ok', since: this.clock.wallNow() });
  }

  private change(health: DriverHealth): void {
    this.health = health;
    for (const listener of [...this.listeners]) listener(health);
  }
}

/** Resolves when new containers can be created, or on abort. */
export async function untilHealthy(health: HealthView, signal: AbortSignal): Promise<void> {
  if (health.now.state === 'ok' || signal.aborted) return;
  const over = new Deferred<void>();
  const end = () => over.resolve();
  const unsubscribe = health.onChange(end);
  signal.addEventListener('abort', end, { once: true });
  await over.promise;
  unsubscribe();
  signal.removeEventListener('abort', end);
}
