export { DockerDriver, type DockerDriverOptions, dockerCapabilities, dockerDriver } from './docker/docker-driver.js';
export { dockerSettings } from './docker/docker-settings.js';
export { engineAddress } from './docker/engine-address.js';
export { ImageBuilder, type ImageBuilderOptions } from './docker/images/image-builder.js';
export { type ImageReference, parseImageReference, pullName } from './docker/images/image-reference.js';
export type { Credential } from './docker/images/registry-credentials.js';
export { type EngineReport, inspectEngine } from './docker/inspect-engine.js';
export type {
  Container,
  ContainerSpec,
  Driver,
  DriverCapabilities,
  DriverFacts,
  ExitResult,
  ImagePull,
  OutputListener,
  OutputSource,
  PreparedImage,
} from './driver.js';
export { type DriverHealth, HealthState, type HealthView } from './driver-health.js';
export { iofsSettings } from './iofs/iofs-settings.js';
export { LISTENER_NAME } from './iofs/listener-file.js';
export {
  BODIES_NEED,
  type DiskNeed,
  diskRoom,
  diskTrouble,
  ENGINE_DISK_REMEDY,
  ENGINE_NEED,
  findFreezerMount,
  SOCKETS_DISK_REMEDY,
  SOCKETS_NEED,
  type Trouble,
  tryFreezer,
} from './machine-troubles.js';
export { ProcessDriver, type ProcessDriverOptions, processDriver, processSettings } from './process/process-driver.js';
export type { Gate, Gates, Step } from './scripted/gate.js';
export {
  type ConnectionHandler,
  type Counters,
  exitsAtStart,
  type FunctionHandler,
  fn,
  neverListens,
  pullFails,
  rawFn,
  type ScriptedContainer,
  type ScriptedFunction,
} from './scripted/scripted-container.js';
export { ScriptedDriver, type ScriptedDriverOptions, scriptedDriver } from './scripted/scripted-driver.js';
