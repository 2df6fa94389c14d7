import { count, countFromZero, FnError, type Logger } from '@fnfleet/core';
import type { DriverHealth, HealthView } from '@fnfleet/drivers';

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
