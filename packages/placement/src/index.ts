export { Dispatcher, type DispatcherDeps, type Outlook } from './dispatch/dispatcher.js';
export {
  duplicateWarnings,
  type FleetStatus,
  mergeFleetStatus,
  type RunnerStatusLine,
} from './dispatch/fleet-status.js';
export type { QueueLimits } from './dispatch/placement-queue.js';
export type { PlacementOutcome } from './dispatch/placement-task.js';
export { type FakeAnswer, type FakeAttempt, FakeRunner, reportOf } from './fake-runner.js';
export type { HealthOptions } from './fleet/health.js';
export { type RunnerIdentity, runnerIdentityOf } from './fleet/runner-identity.js';
export type { RunnerCondition } from './fleet/runner-state.js';
export { type GrpcRunnerOptions, newGrpcRunner } from './grpc-runner.js';
export { type PlacementEvent, PlacementEvents } from './placement-events.js';
export type { Candidate, Fleet, Placer, PlacerDeps, PlacerFactory } from './placer.js';
export { choosePlacer, placers } from './placers/choose-placer.js';
export { consistentHash } from './placers/consistent-hash.js';
export { fnConsistentHash, fnHash, jump } from './placers/fn-consistent-hash.js';
export { prequal } from './placers/prequal.js';
export { leastLoaded, naive } from './placers/random.js';
export { warmFirst } from './placers/warm-first.js';
export type { LoadListener, Runner, RunnerList, RunnerPool } from './runner.js';
export { type PlacementSettings, type PlacementTiming, placementSettings } from './settings.js';
export { decodeWorkloadRecord, encodeWorkloadRecord, type WorkloadRecord } from './workload-record.js';
