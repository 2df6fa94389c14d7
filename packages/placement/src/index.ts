export type { Candidate, Fleet } from './candidate.js';
export { Dispatcher, type DispatcherDeps } from './dispatch/dispatcher.js';
export type { FleetStatus, RunnerStatusLine } from './dispatch/fleet-status.js';
export { mergeFleetStatus } from './dispatch/merge-fleet-status.js';
export type { Outlook } from './dispatch/outlook.js';
export type { Placement } from './dispatch/placement.js';
export type { QueueLimits } from './dispatch/queue-limits.js';
export { type FakeAnswer, type FakeAttempt, FakeRunner, reportOf } from './fake-runner.js';
export type { HealthOptions } from './fleet/health-options.js';
export { type Introduction, introductionOf } from './fleet/introduction.js';
export { likenesses } from './fleet/likeness.js';
export type { RunnerState } from './fleet/runner-view.js';
export { type GrpcRunnerOptions, newGrpcRunner } from './grpc-runner.js';
export { type JournalEntry, PlacementJournal } from './journal.js';
export type { Placer, PlacerDeps, PlacerFactory } from './placer.js';
export { choosePlacer } from './placers/choose-placer.js';
export { consistentHash } from './placers/consistent-hash.js';
export { fnConsistentHash, fnHash, jump } from './placers/fn-consistent-hash.js';
export { placers } from './placers/index.js';
export { leastLoaded } from './placers/least-loaded.js';
export { naive } from './placers/naive.js';
export { prequal } from './placers/prequal.js';
export { warmFirst } from './placers/warm-first.js';
export type {
  MembershipListener,
  MembershipSource,
  PoolStatus,
  RefusedAddress,
  SourceDeps,
} from './pools/membership.js';
export { MembershipPool, type MembershipPoolOptions } from './pools/membership-pool.js';
export { checkRunnerPool, newRunnerPool, type RunnerPoolOptions } from './pools/new-runner-pool.js';
export type { PoolDeps, PoolFactory } from './pools/pool-factory.js';
export { pools } from './pools/pool-kinds.js';
export type { PoolUrl } from './pools/pool-url.js';
export {
  newRegistration,
  type Registration,
  type RegistrationOptions,
  registrationSettings,
} from './pools/registration.js';
export { type Look, RetryingSource } from './pools/retrying-source.js';
export { addressKey, checkAddresses, problemOfAddress } from './pools/runner-address.js';
export { newStaticRunnerPool } from './pools/static-runner-pool.js';
export type { LoadListener, Runner, RunnerList, RunnerPool } from './runner.js';
export { type PlacementSettings, type PlacementTiming, placementSettings } from './settings.js';
export { decodeTraceRecord, encodeTraceRecord, type TraceRecord } from './trace-record.js';
