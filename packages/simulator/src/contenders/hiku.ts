import { FnError } from '@fnfleet/core';
import type { PlacementOutcome, Runner } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';
import type { Balancer, Contender, ContenderDeps } from './contender.js';

/**
 * Hiku's pull scheduling: a runner that has ended a call stands in the function's line of idle ones, as often as it has idle
 * containers; a call goes to the one in line with the fewest calls in hand. Nobody in line: the one with the fewest calls of
 * all, by chance among equals. It tells of containers that it removes. Runners queue.
 */
export const hiku: Contender = {
  name: 'hiku',
  doc: "Hiku's: a runner that is idle for the function, the least busy of them; none: the least busy of all queues it",
  needsQueueingRunners: true,
  open: (deps) => new Hiku(deps),
};

class Hiku implements Balancer {
  private readonly pool: SimulatedPool;
  private readonly random: () => number;
  private readonly inHand = new Map<Runner, number>();
  /** By function: idle containers by runner. */
  private readonly idle = new Map<string, Map<Runner, number>>();

  constructor({ pool, random }: ContenderDeps) {
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
      // Only one that is down or leaves refuses.
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
