import { FnError } from '@fnfleet/core';
import type { Registration } from '@fnfleet/discovery';
import type { PureRunner } from '@fnfleet/pure-runner';

export interface OperatorDrainDeps {
  readonly runner: Pick<PureRunner, 'suspend' | 'resume'>;
  /** Undefined if the runner is not registered anywhere. */
  readonly registration: Pick<Registration, 'suspend' | 'resume'> | undefined;
  /** Whether the process is shutting down. */
  readonly isEnding: () => boolean;
}

/**
 * Drains a runner at the request of an operator, and brings it back. New calls are refused, so that balancers try the
 * next runner; calls in flight continue; the process keeps running. A signal to stop works as usual.
 */
export class OperatorDrain {
  private suspended = false;

  constructor(private readonly deps: OperatorDrainDeps) {}

  get isSuspended(): boolean {
    return this.suspended;
  }

  /** Resolves when the registration is removed, so that no further balancer discovers the runner. Idempotent. */
  async drain(): Promise<void> {
    this.suspended = true;
    const { runner, registration } = this.deps;
    runner.suspend();
    await registration?.suspend();
  }

  /**
   * Idempotent.
   * @throws FnError `runnerEnding`
   */
  undrain(): void {
    const { runner, registration, isEnding } = this.deps;
    if (isEnding()) throw new FnError('runnerEnding');
    this.suspended = false;
    runner.resume();
    registration?.resume();
  }
}
