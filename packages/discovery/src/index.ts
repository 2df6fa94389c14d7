export type {
  Member,
  MemberList,
  MembershipListener,
  MembershipSource,
  PoolStatus,
  RefusedAddress,
  SourceDeps,
} from './membership.js';
export { MembershipPool, type MembershipPoolOptions } from './membership-pool.js';
export {
  checkRunnerPool,
  isPoolUrl,
  newRunnerPool,
  openPoolSource,
  type RunnerPoolOptions,
} from './new-runner-pool.js';
export type { PoolDeps, PoolFactory } from './pool-factory.js';
export { pools } from './pool-kinds.js';
export type { PoolUrl } from './pool-url.js';
export {
  newRegistration,
  type Registration,
  type RegistrationOptions,
  registrationSettings,
} from './registration.js';
export { type Look, RetryingSource } from './retrying-source.js';
export { addressKey, checkAddresses, problemOfAddress } from './runner-address.js';
export { type DiscoverySettings, discoverySettings } from './settings.js';
export { newStaticRunnerPool, StaticSource } from './static-runner-pool.js';
