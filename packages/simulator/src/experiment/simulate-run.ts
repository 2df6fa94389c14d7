import type { PlacementTiming } from '@fnfleet/placement';
import type { Balancer, Contender } from '../contenders/contender.js';
import { neverAborted, SimulatedCall } from '../fleet/simulated-call.js';
import { SimulatedFleet } from '../fleet/simulated-fleet.js';
import { randomStream } from '../random/sfc32.js';
import { VirtualClock } from '../time/virtual-clock.js';
import type { FunctionProfile, Workload } from '../workloads/workload.js';
import { RunRecord, type RunResult } from './run-record.js';
import type { Scenario } from './scenario.js';

/** The fleet that calls are placed on. */
export interface FleetModel {
  readonly runners: number;
  /** Of each runner, for functions. */
  readonly memoryMb: number;
  /** How long an idle container stays. */
  readonly keepAliveMs: number;
  /** Time from a balancer to a runner and back. */
  readonly rttMs: number;
  /** Balancers that do not know of each other; calls go round between them. */
  readonly balancers: number;
}

export interface RunPlan {
  readonly fleet: FleetModel;
  readonly workload: Workload;
  readonly contender: Contender;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly timing: PlacementTiming;
  /** Share of the calls, the first ones, that are not in the result: the fleet begins empty. */
  readonly warmUp: number;
}

export interface RunOutcome {
  readonly result: RunResult;
  /** What is left of calls after the last has ended; anything but zero is a mistake of the simulation. */
  readonly left: { readonly active: number; readonly busyMb: number };
  /** Calls that were played, those of the warm-up too. */
  readonly calls: number;
  /** Timers that fired. */
  readonly events: number;
  readonly virtualMs: number;
}

/**
 * Plays one workload on one fleet with one way to place calls. The same plan gives the same outcome, to the last bit.
 * @throws Error when a function can never run because no runner has as much memory
 */
export async function simulateRun(plan: RunPlan): Promise<RunOutcome> {
  const { fleet: model, workload, contender, scenario, seed } = plan;
  refuseTooLarge(workload.functions, model.memoryMb);
  const clock = new VirtualClock();
  const queues = contender.needsQueueingRunners === true;
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
  const { contender, timing, seed, fleet: model } = plan;
  return fleet.pools.map((pool, i) =>
    contender.open({
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
    `function ${large.fnId} needs ${large.memoryMb} MB and a runner has ${memoryMb} MB: give runners more with --memory`,
  );
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}
