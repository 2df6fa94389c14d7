import { FnError } from '@fnfleet/core';
import type { PlacementOutcome, Runner } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';
import type { Balancer, Strategy, StrategyDeps } from './strategy.js';

/**
 * Hiku's pull scheduling: after a call, a runner enters the queue of idle runners of the function, once for each idle
 * container. A call goes to the runner in this queue with the fewest calls in flight or, if the queue is empty, to the
 * runner with the fewest calls in flight overall; ties are broken at random. Runners report containers that they
 * remove. Runners queue calls.
 */
export const hiku: Strategy = {
  name: 'hiku',
  doc: "Hiku's: the least busy runner that is idle for the function; if there is none, the least busy of all queues the call",
  needsQueueingRunners: true,
  open: (deps) => new Hiku(deps),
};

class Hiku implements Balancer {
  private readonly pool: SimulatedPool;
  private readonly random: () => number;
  private readonly inHand = new Map<Runner, number>();
  /** Idle containers by runner, for each function. */
  private readonly idle = new Map<string, Map<Runner, number>>();

  constructor({ pool, random }: StrategyDeps) {
    this.pool = pool;
    this.random = random;
    pool.onRemoved((runner, fnId) => this.addIdle(runner, fnId, -1));
  }

  async place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome> {
    const { fnId } = call.model;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const runner = this.leastBusy(this.idle.get(fnId)?.keys() ?? []) ?? this.leastBusy(this.pool.runners().runners);
      if (runner === undefined) break;
      this.addIdle(runner, fnId, -1);
      this.addInHand(runner, 1);
      const outcome = await runner.tryCall(call, signal);
      this.addInHand(runner, -1);
      if (outcome.kind === 'finished') this.addIdle(runner, fnId, 1);
      // Only a runner that is down or leaving refuses a call.
      if (outcome.kind !== 'refused') return outcome;
    }
    return NOBODY;
  }

  close(): void {}

  private leastBusy(runners: Iterable<Runner>): Runner | undefined {
    let best: Runner | undefined;
    let least = Number.POSITIVE_INFINITY;
    let equals = 0;
    for (const runner of runners) {
      const busy = this.inHand.get(runner) ?? 0;
      if (busy > least) continue;
      equals = busy < least ? 1 : equals + 1;
      least = busy;
      if (this.random() * equals < 1) best = runner;
    }
    return best;
  }

  private addInHand(runner: Runner, change: number): void {
    this.inHand.set(runner, (this.inHand.get(runner) ?? 0) + change);
  }

  private addIdle(runner: Runner, fnId: string, change: number): void {
    const line = this.idle.get(fnId) ?? new Map<Runner, number>();
    const count = (line.get(runner) ?? 0) + change;
    if (count > 0) line.set(runner, count);
    else line.delete(runner);
    if (line.size > 0) this.idle.set(fnId, line);
    else this.idle.delete(fnId);
  }
}

const MAX_ATTEMPTS = 100;
const NOBODY: PlacementOutcome = { kind: 'unplaced', error: new FnError('serverBusy') };
