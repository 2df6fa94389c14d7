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
  newStaticRunnerPool,
  openPoolSource,
  type RunnerPoolOptions,
} from './new-runner-pool.js';
export { pools, StaticSource } from './pool-kinds.js';
export type { PoolDeps, PoolFactory, PoolUrl } from './pool-url.js';
export { newRegistration, type Registration, type RegistrationOptions, registrationSettings } from './registration.js';
export { type Look, RetryingSource } from './retry-loop.js';
export { addressKey, checkAddresses, problemOfAddress, problemOfOwnAddress } from './runner-address.js';
export { type DiscoverySettings, discoverySettings } from './settings.js';
