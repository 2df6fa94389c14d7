export type { Agent, AgentLoad, CallListener, HotFunction, PulledImage, Utilization } from './agent.js';
export type { AgentCall, CallTimings } from './call/agent-call.js';
export type { CallOverrider, Extensions } from './call/build-call.js';
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
} from './call/call-options.js';
export { fromHttpRequest } from './call/from-http-request.js';
export { type AgentOptions, hostFilesOf, newAgent } from './new-agent.js';
export { type CallLog, CallLogs } from './output/call-logs.js';
export { type LogSink, noLogSink, type OutputLine } from './output/log-sink.js';
export { HostResourcesError, hostResources, readHostFiles } from './resources/host-resources.js';
export type { Resources } from './resources/resource-tracker.js';
export { type AgentSettings, agentSettings } from './settings.js';
