import { type Clock, FnError } from '@fnfleet/core';
import { fnHash, jump, type PlacementOutcome, type PlacementTiming, type Runner } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';
import type { Balancer, Strategy, StrategyDeps } from './strategy.js';

/** Fn's default: starts at a random runner. */
export const sweepNaive: Strategy = {
  name: 'fn-naive',
  doc: "Fn's default: every 10 ms each waiting call tries every runner, starting at a random one",
  open: (deps) => new Sweep(deps, (_call, count) => Math.floor(deps.random() * count)),
};

/** Fn with FN_PLACER=ch: starts at the runner that the hash of the function selects. */
export const sweepHash: Strategy = {
  name: 'fn-ch',
  doc: "Fn's consistent hash: every 10 ms each waiting call tries every runner, starting at the one of its function",
  open: (deps) => {
    const hashes = new Map<string, bigint>();
    return new Sweep(deps, ({ model: { fnId } }, count) => {
      const hash = hashes.get(fnId) ?? fnHash(fnId);
      hashes.set(fnId, hash);
      return jump(hash, count);
    });
  },
};

/** The loop of Fn's balancers: it keeps no state, has no wake-ups, and handles each call independently. */
class Sweep implements Balancer {
  private readonly pool: SimulatedPool;
  private readonly clock: Clock;
  private readonly timing: PlacementTiming;

  constructor(
    { pool, clock, timing }: StrategyDeps,
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
