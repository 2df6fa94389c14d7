export {
  type CallSource,
  type GridCell,
  type GridPlan,
  type GridReport,
  type RunSeen,
  runGrid,
} from './experiment/grid.js';
export type { RunResult } from './experiment/run-record.js';
export { type Scenario, scenarios } from './experiment/scenario.js';
export { type FleetModel, type RunOutcome, type RunPlan, simulateRun } from './experiment/simulate-run.js';
export { htmlReport } from './report/html-report.js';
export { textReport } from './report/text-report.js';
export { chooseStrategy, strategies } from './strategies/index.js';
export type { Balancer, Strategy, StrategyDeps } from './strategies/strategy.js';
export { workloads } from './workloads/index.js';
export { readWorkload, workloadLines } from './workloads/recorded.js';
export { busyMbOf, paced, type Workload, type WorkloadFactory } from './workloads/workload.js';
