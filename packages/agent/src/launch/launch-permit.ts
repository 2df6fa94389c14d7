import { count, countFromZero, FnError, type Logger } from '@fnfleet/core';
import type { DriverHealth, HealthView } from '@fnfleet/drivers';

/**
 * Whether new containers may be made: not while the driver is degraded. Says so in the log and in a metric, once for each
 * change.
 */
export class LaunchPermit {
  private readonly unsubscribe: () => void;

  /** @param onRefused called each time permission ends */
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

  /** Why no container may be made now; undefined: it can be tried. */
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
      this.log.info('new containers can be made again');
    } else {
      count('runner_degraded');
      this.log.warn('degraded: calls that need a new container are refused, hot containers serve on', { reason });
      this.onRefused();
    }
  }
}
