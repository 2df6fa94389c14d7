import type { PlacementTiming } from '@fnfleet/placement';
import { neverAborted, SimulatedCall } from '../fleet/simulated-call.js';
import { SimulatedFleet } from '../fleet/simulated-fleet.js';
import { randomStream } from '../random.js';
import type { Balancer, Strategy } from '../strategies/strategy.js';
import { VirtualClock } from '../virtual-clock.js';
import type { FunctionProfile, Workload } from '../workloads/workload.js';
import { RunRecord, type RunResult } from './run-record.js';
import type { Scenario } from './scenario.js';

/** The simulated fleet. */
export interface FleetModel {
  readonly runners: number;
  /** Memory of each runner for functions. */
  readonly memoryMb: number;
  /** How long an idle container is kept. */
  readonly keepAliveMs: number;
  /** Round-trip time between a balancer and a runner. */
  readonly rttMs: number;
  /** Number of independent balancers, among which calls are distributed round-robin. */
  readonly balancers: number;
}

export interface RunPlan {
  readonly fleet: FleetModel;
  readonly workload: Workload;
  readonly strategy: Strategy;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly timing: PlacementTiming;
  /** Share of calls at the start that the result excludes, because the fleet starts empty. */
  readonly warmUp: number;
}

export interface RunOutcome {
  readonly result: RunResult;
  /** What calls still hold after the last one has ended; anything but zero is a bug of the simulation. */
  readonly left: { readonly active: number; readonly busyMb: number };
  /** Number of calls, including those of the warm-up. */
  readonly calls: number;
  /** Number of timers that have fired. */
  readonly events: number;
  readonly virtualMs: number;
}

/**
 * Runs one workload on one fleet with one strategy. The same plan gives exactly the same outcome.
 * @throws Error when a function can never run because no runner has as much memory
 */
export async function simulateRun(plan: RunPlan): Promise<RunOutcome> {
  const { fleet: model, workload, strategy, scenario, seed } = plan;
  refuseTooLarge(workload.functions, model.memoryMb);
  const clock = new VirtualClock();
  const queues = strategy.needsQueueingRunners === true;
  const fleet = new SimulatedFleet({ ...model, queues, silent: scenario.silent === true }, clock);
  fleet.grow(model.runners);
  const balancers = openBalancers(plan, fleet, clock);
  const { calls } = workload;
  const record = new RunRecord(calls.count, Math.floor(calls.count * plan.warmUp));
  const spanMs = calls.atMs[calls.count - 1] ?? 0;
  scenario.begin?.({ fleet, clock, spanMs, random: randomStream(seed, 'scenario') });

  let next = 0;
  const arrive = () => {
    const index = next++;
    if (next < calls.count) clock.after((calls.atMs[next] as number) - clock.now(), arrive);
    const call = callAt(workload, index);
    const balancer = balancers[index % balancers.length] as Balancer;
    void balancer.place(call, neverAborted).then((placement) => record.end(call, placement, clock.now()));
  };
  clock.after(calls.atMs[0] ?? 0, arrive);
  try {
    const events = await clock.run(() => record.ended === calls.count);
    const left = { active: sum(fleet.all, ({ active }) => active), busyMb: sum(fleet.all, ({ busyMb }) => busyMb) };
    return {
      result: record.result(fleet.all.slice(0, model.runners)),
      left,
      calls: calls.count,
      events,
      virtualMs: clock.now(),
    };
  } finally {
    for (const balancer of balancers) balancer.close();
  }
}

function openBalancers(plan: RunPlan, fleet: SimulatedFleet, clock: VirtualClock): Balancer[] {
  const { strategy, timing, seed, fleet: model } = plan;
  return fleet.pools.map((pool, i) =>
    strategy.open({
      pool,
      clock,
      timing,
      random: randomStream(seed, `placer ${i}`),
      memoryMb: model.memoryMb,
      balancers: model.balancers,
    }),
  );
}

function callAt({ functions, calls }: Workload, index: number): SimulatedCall {
  const profile = functions[calls.fn[index] as number] as FunctionProfile;
  const [atMs, execMs, initMs] = [calls.atMs[index], calls.execMs[index], calls.initMs[index]];
  return new SimulatedCall(profile, index, atMs as number, execMs as number, initMs as number);
}

function refuseTooLarge(functions: readonly FunctionProfile[], memoryMb: number): void {
  const large = functions.find((fn) => fn.memoryMb > memoryMb);
  if (large === undefined) return;
  throw new Error(
    `function ${large.fnId} needs ${large.memoryMb} MB, but a runner has ${memoryMb} MB: increase --memory`,
  );
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}
