export { DockerDriver, type DockerDriverOptions, dockerDriver } from './docker/docker-driver.js';
export { dockerSettings } from './docker/docker-settings.js';
export { type ImageReference, parseImageReference, pullName } from './docker/images/image-reference.js';
export type {
  Container,
  ContainerSpec,
  Driver,
  DriverCapabilities,
  DriverFacts,
  ExitResult,
  OutputListener,
  OutputSource,
  PreparedImage,
} from './driver.js';
export { type DriverHealth, HealthState, type HealthView } from './driver-health.js';
export { iofsSettings } from './iofs/iofs-settings.js';
export { LISTENER_NAME } from './iofs/listener-file.js';
export { ProcessDriver, type ProcessDriverOptions, processDriver, processSettings } from './process/process-driver.js';
export type { Counters } from './scripted/counters.js';
export type { Gate, Gates, Step } from './scripted/gate.js';
export type { ScriptedContainer } from './scripted/scripted-container.js';
export {
  ScriptedDriver,
  type ScriptedDriverOptions,
  scriptedDriver,
} from './scripted/scripted-driver.js';
export {
  type ConnectionHandler,
  exitsAtStart,
  type FunctionHandler,
  fn,
  neverListens,
  pullFails,
  rawFn,
  type ScriptedFunction,
} from './scripted/scripted-function.js';
