import { type Candidate, type Fleet, type PlacerFactory, placers, type Runner } from '@fnfleet/placement';
import { SimulatedCall } from '../fleet/simulated-call.js';
import { randomStream } from '../random.js';
import type { Strategy } from '../strategies/strategy.js';
import { VirtualClock } from '../virtual-clock.js';
import { simulatedId } from '../workloads/azure.js';
import { busyMbOf, paced, type Workload, type WorkloadFactory } from '../workloads/workload.js';
import type { RunResult, Tail } from './run-record.js';
import type { Scenario } from './scenario.js';
import { type FleetModel, type RunOutcome, simulateRun } from './simulate-run.js';

/** Runs every strategy at every fleet size and load, once for each seed. */
export interface GridPlan {
  readonly fleet: Omit<FleetModel, 'runners'>;
  readonly runners: readonly number[];
  /** Average memory of executing calls, as a share of the memory of the fleet. */
  readonly loads: readonly number[] | 'as recorded';
  readonly seeds: readonly number[];
  readonly strategies: readonly Strategy[];
  readonly scenario: Scenario;
  readonly source: CallSource;
  /** How long a call may wait for a runner, milliseconds. */
  readonly placerTimeoutMs: number;
  readonly warmUp: number;
}

/** The source of calls. A recorded workload is the same for every seed; its pace is scaled to the load. */
export type CallSource =
  | { readonly kind: 'workload'; readonly factory: WorkloadFactory; readonly calls: number; readonly swing: number }
  | { readonly kind: 'recorded'; readonly workload: Workload };

export interface GridReport {
  readonly workload: string;
  readonly scenario: string;
  readonly fleet: Omit<FleetModel, 'runners'>;
  readonly placerTimeoutMs: number;
  readonly warmUp: number;
  readonly seeds: readonly number[];
  readonly cells: readonly GridCell[];
  readonly moves: readonly ({ readonly placer: string; readonly runners: number } & HomeMoves)[];
}

/** The results of one strategy at one fleet size and load. */
export interface GridCell {
  readonly runners: number;
  readonly load: number;
  readonly placer: string;
  /** One run for each seed, in the same order. */
  readonly runs: readonly RunResult[];
  /** Means over the runs; counts are sums. */
  readonly mean: RunResult;
}

/** Progress of a grid: the result of one run. */
export interface RunSeen {
  readonly runners: number;
  readonly load: number;
  readonly placer: string;
  readonly seed: number;
  readonly outcome: RunOutcome;
}

/** Retry interval of Fn, milliseconds. The dispatcher uses it only for empty pools. */
const RETRY_ALL_DELAY_MS = 10;

export async function runGrid(plan: GridPlan, seen: (run: RunSeen) => void = () => undefined): Promise<GridReport> {
  const cells: GridCell[] = [];
  for (const runners of plan.runners) {
    for (const load of loadsOf(plan, runners)) {
      const runs = new Map<Strategy, RunResult[]>(plan.strategies.map((strategy) => [strategy, []]));
      for (const seed of plan.seeds) {
        const workload = callsFor(plan, runners, load, seed);
        for (const strategy of plan.strategies) {
          const outcome = await simulateRun({
            fleet: { ...plan.fleet, runners },
            workload,
            strategy,
            scenario: plan.scenario,
            seed,
            warmUp: plan.warmUp,
            timing: {
              placerTimeoutMs: plan.placerTimeoutMs,
              detachedPlacerTimeoutMs: plan.placerTimeoutMs,
              retryAllDelayMs: RETRY_ALL_DELAY_MS,
            },
          });
          runs.get(strategy)?.push(outcome.result);
          seen({ runners, load, placer: strategy.name, seed, outcome });
        }
      }
      for (const [{ name }, results] of runs) {
        cells.push({ runners, load, placer: name, runs: results, mean: meanOf(results) });
      }
    }
  }
  const { fleet, seeds, placerTimeoutMs, warmUp } = plan;
  const workload = plan.source.kind === 'recorded' ? plan.source.workload.name : plan.source.factory.name;
  return { workload, scenario: plan.scenario.name, fleet, placerTimeoutMs, warmUp, seeds, cells, moves: movesOf(plan) };
}

function loadsOf({ loads, source, fleet }: GridPlan, runners: number): readonly number[] {
  if (loads !== 'as recorded') return loads;
  if (source.kind !== 'recorded') throw new TypeError('only a recorded workload has a load of its own');
  return [busyMbOf(source.workload) / (runners * fleet.memoryMb)];
}

function callsFor({ source, fleet }: GridPlan, runners: number, load: number, seed: number): Workload {
  const busyMb = load * runners * fleet.memoryMb;
  if (source.kind === 'recorded') return paced(source.workload, busyMb);
  return source.factory.create({ seed, calls: source.calls, swing: source.swing, runners, busyMb });
}

/** Only for built-in placers: other strategies do not rank a list of runners. */
function movesOf({ strategies, runners }: GridPlan): GridReport['moves'] {
  const ours = strategies.filter(({ name }) => placers.names.includes(name));
  return runners.flatMap((count) =>
    ours.map(({ name }) => ({ placer: name, runners: count, ...homeMoves(placers.get(name), count) })),
  );
}

function meanOf(runs: readonly RunResult[]): RunResult {
  const sum = (of: (run: RunResult) => number) => runs.reduce((total, run) => total + of(run), 0);
  const mean = (of: (run: RunResult) => number) => sum(of) / runs.length;
  const tail = (of: (run: RunResult) => Tail): Tail => ({
    p50: mean((run) => of(run).p50),
    p99: mean((run) => of(run).p99),
    p999: mean((run) => of(run).p999),
  });
  return {
    calls: sum(({ calls }) => calls),
    slowdown: tail(({ slowdown }) => slowdown),
    addedMs: tail(({ addedMs }) => addedMs),
    coldShare: mean(({ coldShare }) => coldShare),
    engagementsPerCall: mean(({ engagementsPerCall }) => engagementsPerCall),
    refusalsPerPlaced: mean(({ refusalsPerPlaced }) => refusalsPerPlaced),
    loadSpread: mean(({ loadSpread }) => loadSpread),
    unplaced: sum(({ unplaced }) => unplaced),
    failed: sum(({ failed }) => failed),
  };
}

/**
 * Share of functions whose preferred runner changes with the fleet. The minimum is one divided by the number of
 * runners.
 */
interface HomeMoves {
  readonly onLeave: number;
  readonly onJoin: number;
}

const FUNCTIONS = 2_000;

/** Measures an idle fleet without load information: the behaviour of the placer alone. */
function homeMoves(factory: PlacerFactory, runners: number): HomeMoves {
  const candidates = Array.from({ length: runners + 1 }, (_, i) => idle(`runner-${i + 1}`));
  const before = homes(factory, candidates.slice(0, runners));
  // Remove one from the middle: removing the last one is the easy case for some placers.
  const middle = runners >> 1;
  const without = homes(factory, candidates.slice(0, runners).toSpliced(middle, 1));
  const withOne = homes(factory, candidates);
  return { onLeave: changed(before, without), onJoin: changed(before, withOne) };
}

function homes(factory: PlacerFactory, candidates: readonly Candidate[]): (string | undefined)[] {
  const placer = factory.create({ random: randomStream(1, 'homes'), clock: new VirtualClock() });
  const fleet: Fleet = { candidates, inFlight: 0, warm: () => [] };
  return Array.from({ length: FUNCTIONS }, (_, i) => {
    const call = new SimulatedCall({ appId: simulatedId(0, i), fnId: simulatedId(1, i), memoryMb: 128 }, i, 0, 1, 1);
    for (const candidate of placer.order(call, fleet)) return candidate.address;
    return undefined;
  });
}

function changed(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((home, i) => home !== after[i]).length / before.length;
}

function idle(address: string): Candidate {
  return {
    runner: { address, status: () => Promise.reject(new Error('not asked')) } as unknown as Runner,
    address,
    inFlight: 0,
    load: undefined,
    freeSlots: () => 0,
    latencyMs: () => undefined,
    isPulling: () => false,
    weight: 1,
  };
}
