export type { Agent, CallListener, HotFunction, PulledImage, Utilization } from './agent.js';
export type { AgentCall, CallTimings } from './agent-call.js';
export type { AgentLoad } from './agent-load.js';
export type { CallOverrider, Extensions } from './build-call.js';
export {
  type CallDraft,
  type CallOption,
  fromModel,
  fromModelAndInput,
  invokeDetached,
  withBeforeStart,
  withDeadline,
  withExtensions,
  withLogger,
  withoutNetwork,
  withSignal,
  withSlotKey,
  withTrace,
  withTrigger,
  withWriter,
} from './call-options.js';
export { fromHttpRequest } from './from-http-request.js';
export { HostResourcesError, hostResources, readHostFiles } from './host-resources.js';
export { type AgentOptions, hostFilesOf, newAgent } from './new-agent.js';
export { type LogSink, noLogSink, type OutputLine } from './output/log-sink.js';
export type { Resources } from './resource-tracker.js';
export { type AgentSettings, agentSettings } from './settings.js';
