import { FnError } from '@fnfleet/core';
import type { Registration } from '@fnfleet/discovery';
import type { PureRunner } from '@fnfleet/pure-runner';

export interface OperatorDrainDeps {
  readonly runner: Pick<PureRunner, 'suspend' | 'resume'>;
  /** Undefined: it is not registered anywhere. */
  readonly registration: Pick<Registration, 'suspend' | 'resume'> | undefined;
  /** The process has been told to stop. */
  readonly isEnding: () => boolean;
}

/**
 * A runner that an operator takes out of the fleet, and back in. New calls are refused, so that balancers go on to the next
 * runner; calls in hand go on; the process stays. A signal to stop ends it as ever.
 */
export class OperatorDrain {
  private suspended = false;

  constructor(private readonly deps: OperatorDrainDeps) {}

  get isSuspended(): boolean {
    return this.suspended;
  }

  /** Resolves when nothing leads new balancers to it. Idempotent. */
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
