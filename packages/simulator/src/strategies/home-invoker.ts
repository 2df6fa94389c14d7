import { FnError } from '@fnfleet/core';
import { fnHash, type PlacementOutcome, type Runner } from '@fnfleet/placement';
import type { OutboundCall } from '@fnfleet/protocol';
import type { SimulatedPool } from '../fleet/simulated-fleet.js';
import type { Balancer, Strategy, StrategyDeps } from './strategy.js';

/**
 * OpenWhisk's balancer: a function has a home runner. If the home has no memory left by the balancer's own count, the
 * balancer tries runners at a step that is coprime to the size of the fleet. If all are full, a random one queues the
 * call. Balancers divide the memory of each runner among them.
 */
export const homeInvoker: Strategy = {
  name: 'openwhisk',
  doc: "OpenWhisk's: home runner, then coprime steps by its own count of memory; if all are full, a random one queues the call",
  needsQueueingRunners: true,
  open: (deps) => new HomeInvoker(deps),
};

class HomeInvoker implements Balancer {
  private readonly pool: SimulatedPool;
  private readonly random: () => number;
  private readonly slotsMb: number;
  private readonly usedMb = new Map<Runner, number>();
  private readonly hashes = new Map<string, number>();
  private steps: { readonly of: number; readonly steps: readonly number[] } = { of: 0, steps: [] };

  constructor({ pool, random, memoryMb, balancers }: StrategyDeps) {
    this.pool = pool;
    this.random = random;
    this.slotsMb = memoryMb / balancers;
  }

  async place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome> {
    const { memoryMb } = call.model;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const runner = this.choose(call);
      if (runner === undefined) break;
      this.book(runner, memoryMb);
      const outcome = await runner.tryCall(call, signal);
      this.book(runner, -memoryMb);
      // Only a runner that is down or leaving refuses a call; try again to find another one.
      if (outcome.kind !== 'refused') return outcome;
    }
    return NOBODY;
  }

  close(): void {}

  private choose(call: OutboundCall): Runner | undefined {
    const { runners } = this.pool.runners();
    const { length } = runners;
    const hash = this.hashOf(call.model.fnId);
    const steps = this.stepsFor(length);
    const step = steps[hash % steps.length] ?? 1;
    let at = hash % length;
    for (let i = 0; i < length; i += 1) {
      const runner = runners[at] as Runner;
      if ((this.usedMb.get(runner) ?? 0) + call.model.memoryMb <= this.slotsMb) return runner;
      at = (at + step) % length;
    }
    return runners[Math.floor(this.random() * length)];
  }

  private book(runner: Runner, mb: number): void {
    this.usedMb.set(runner, (this.usedMb.get(runner) ?? 0) + mb);
  }

  private hashOf(fnId: string): number {
    const hash = this.hashes.get(fnId) ?? Number(fnHash(fnId) & 0x7fff_ffffn);
    this.hashes.set(fnId, hash);
    return hash;
  }

  private stepsFor(count: number): readonly number[] {
    if (this.steps.of !== count) this.steps = { of: count, steps: pairwiseCoprime(count) };
    return this.steps.steps;
  }
}

const MAX_ATTEMPTS = 100;
const NOBODY: PlacementOutcome = { kind: 'unplaced', error: new FnError('serverBusy') };

/** Numbers up to `count` that are coprime to it and to each other. */
export function pairwiseCoprime(count: number): number[] {
  const found: number[] = [];
  for (let step = 1; step <= count; step += 1) {
    if (gcd(step, count) === 1 && found.every((other) => gcd(step, other) === 1)) found.push(step);
  }
  return found;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
