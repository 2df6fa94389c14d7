import { placers } from '@fnfleet/placement';
import type { Strategy } from '../strategies/strategy.js';
import { busyMbOf, paced, type Workload, type WorkloadFactory } from '../workloads/workload.js';
import { type HomeMoves, homeMoves } from './home-moves.js';
import type { Tail } from './quantiles.js';
import type { RunResult } from './run-record.js';
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
