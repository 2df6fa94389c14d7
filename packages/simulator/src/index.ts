export { contenders } from './contenders/index.js';
export type { RunResult } from './experiment/run-record.js';
export { scenarios } from './experiment/scenario.js';
export { type FleetModel, type RunOutcome, type RunPlan, simulateRun } from './experiment/simulate-run.js';
export { workloads } from './workloads/index.js';
export { readTrace, traceLines } from './workloads/trace.js';
export { busyMbOf, paced, type Workload } from './workloads/workload.js';
