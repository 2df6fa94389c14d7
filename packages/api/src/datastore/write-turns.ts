import { type Clock, Deferred, FnError, type MonoMs } from '@fnfleet/core';

/** Serializes the transactions of one process in order of arrival. */
export class WriteTurns {
  private taken = false;
  private readonly waiting = new Set<Deferred<void>>();

  constructor(
    private readonly clock: Clock,
    private readonly maxWaiting: number,
  ) {}

  /** @throws FnError `databaseOverloaded` when too many wait, `databaseBusy` when the deadline passes first */
  async take(deadline: MonoMs): Promise<void> {
    if (!this.taken) {
      this.taken = true;
      return;
    }
    if (this.waiting.size >= this.maxWaiting) throw new FnError('databaseOverloaded');
    const turn = new Deferred<void>();
    this.waiting.add(turn);
    const timer = this.clock.after(deadline - this.clock.now(), () => {
      this.waiting.delete(turn);
      turn.reject(new FnError('databaseBusy'));
    });
    try {
      await turn.promise;
    } finally {
      timer.cancel();
    }
  }

  giveBack(): void {
    const [next] = this.waiting;
    this.taken = next !== undefined;
    if (next === undefined) return;
    this.waiting.delete(next);
    next.resolve();
  }
}
