import { count, countFromZero, FnError, type Logger, TurnoverSet } from '@fnfleet/core';
import type { DriverHealth, HealthView } from '@fnfleet/drivers';

/**
 * Bounds how many containers start at the same time. Starting one costs the machine and the engine real work: started all at
 * once they only slow each other down, and most calls of a burst are served by the first few anyway. First come, first served.
 */
export class LaunchLimiter {
  private active = 0;
  private readonly waiting = new TurnoverSet<() => void>();

  /** @param limit at least 1 */
  constructor(private readonly limit: number) {}

  /**
   * Waits for a place.
   * @returns an idempotent function that releases the place
   * @throws the signal's reason on abort
   */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.active < this.limit) this.active += 1;
    else await this.turn(signal);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.release();
    };
  }

  /** A released place goes straight to the next in line. */
  private release(): void {
    const [next] = this.waiting;
    if (next === undefined) this.active -= 1;
    else next();
  }

  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.waiting.delete(go);
        reject(signal.reason);
      };
      const go = () => {
        this.waiting.delete(go);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      this.waiting.add(go);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** Refuses new containers while the driver is degraded. Each change is logged and counted in a metric, once. */
export class LaunchGuard {
  private readonly unsubscribe: () => void;

  /** @param onRefused called each time the driver becomes degraded */
  constructor(
    private readonly view: HealthView,
    private readonly log: Logger,
    private readonly onRefused: () => void,
  ) {
    countFromZero('runner_degraded');
    this.unsubscribe = view.onChange((health) => this.onChange(health));
    if (this.health.state === 'degraded') this.onChange(this.health);
  }

  get health(): DriverHealth {
    return this.view.now;
  }

  /** Why no container may be created now; undefined if one may. */
  readonly refusal = (): FnError | undefined => {
    const { state, reason } = this.health;
    return state === 'ok' ? undefined : new FnError('serverBusy', { cause: new Error(`no new containers: ${reason}`) });
  };

  close(): void {
    this.unsubscribe();
    if (this.health.state === 'degraded') count('runner_degraded', -1);
  }

  private onChange({ state, reason }: DriverHealth): void {
    if (state === 'ok') {
      count('runner_degraded', -1);
      this.log.info('no longer degraded: new containers can be created');
    } else {
      count('runner_degraded');
      this.log.warn('degraded: refusing calls that need a new container, hot containers keep serving', { reason });
      this.onRefused();
    }
  }
}
