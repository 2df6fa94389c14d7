import { type Clock, FnError } from '@fnfleet/core';
import { fnHash, jump, type PlacementOutcome, type PlacementTiming, type Runner } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';
import type { Balancer, Contender, ContenderDeps } from './contender.js';

/** What Fn does: begins anywhere. */
export const sweepNaive: Contender = {
  name: 'fn-naive',
  doc: "Fn's default: every 10 ms each waiting call asks every runner, from a random one on",
  open: (deps) => new Sweep(deps, (_call, count) => Math.floor(deps.random() * count)),
};

/** What Fn does with FN_PLACER=ch: begins where the function's hash says. */
export const sweepHash: Contender = {
  name: 'fn-ch',
  doc: "Fn's consistent hash: every 10 ms each waiting call asks every runner, from the one of its function on",
  open: (deps) => {
    const hashes = new Map<string, bigint>();
    return new Sweep(deps, ({ model: { fnId } }, count) => {
      const hash = hashes.get(fnId) ?? fnHash(fnId);
      hashes.set(fnId, hash);
      return jump(hash, count);
    });
  },
};

/** The loop of Fn's balancers: nothing is remembered, nothing wakes anybody, and calls do not know of each other. */
class Sweep implements Balancer {
  private readonly pool: SimulatedPool;
  private readonly clock: Clock;
  private readonly timing: PlacementTiming;

  constructor(
    { pool, clock, timing }: ContenderDeps,
    private readonly startOf: (call: OutboundCall, count: number) => number,
  ) {
    this.pool = pool;
    this.clock = clock;
    this.timing = timing;
  }

  async place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome> {
    const { clock, timing } = this;
    const until = clock.now() + timing.placerTimeoutMs;
    while (clock.now() < until) {
      const { runners } = this.pool.runners();
      const start = runners.length === 0 ? 0 : this.startOf(call, runners.length);
      for (let i = 0; i < runners.length && clock.now() < until; i += 1) {
        const outcome = await (runners[(start + i) % runners.length] as Runner).tryCall(call, signal);
        if (outcome.kind !== 'refused') return outcome;
      }
      await clock.sleep(timing.retryAllDelayMs);
    }
    return OUT_OF_TIME;
  }

  close(): void {}
}

const OUT_OF_TIME: PlacementOutcome = { kind: 'unplaced', error: new FnError('serverBusy') };
