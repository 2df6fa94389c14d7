export {
  type AsyncRequest,
  asyncMessage,
  type CallQueues,
  type CallSource,
  type DequeueAccess,
  type EnqueueAccess,
  newDirectDequeueAccess,
  newDirectEnqueueAccess,
  newUnsupportedAsyncEnqueueAccess,
  type OpenedQueue,
} from './async/call-queues.js';
export type { CpuMeter } from './async/cpu-meter.js';
export { type AsyncLbAgent, type AsyncOptions, withAsync } from './async/with-async.js';
export {
  fromHttpFnRequest,
  fromModel,
  fromTemplate,
  invokeDetached,
  type LbCallDraft,
  type LbCallOption,
  withController,
  withExplanation,
  withExtensions,
  withPlacementLimit,
  withRequestId,
  withTrace,
  withTrigger,
  withWriter,
} from './call/call-options.js';
export type { LbCall } from './call/lb-call.js';
export { HttpResponseWriter } from './http/http-response-writer.js';
export { type LbServer, type LbServerOptions, newLbServer } from './http/lb-server.js';
export { type HeadMapping, invokeHead, type ResponseHead, triggerHead } from './http/response-head.js';
export type { CallOverrider, CallPlacement, LbAgent, LbAgentOptions, LbCallListener } from './lb-agent.js';
export { type ApiAddresses, apiAddresses, checkApiAddresses } from './lookup/api-addresses.js';
export { CachedLookup, type FunctionLookup, newApiLookup, type TriggeredFunction } from './lookup/function-lookup.js';
export type { ApiNodeStatus, ChangeListener, FunctionSource, SourceChange } from './lookup/function-source.js';
export { newLbAgent } from './new-lb-agent.js';
export {
  answerQuestion,
  type LbOperations,
  type LbQuestion,
  operationsOf,
  operationsOfGroup,
} from './operations/operations.js';
export { type LossReason, ReplayBudget, type ReplayBudgetOptions } from './replay/replay-budget.js';
export { type BodySource, ReplayBuffer, type ReplayBufferLimits } from './replay/replay-buffer.js';
export type { SpillHandle } from './replay/spill-file.js';
export { type LbSettings, lbSettings } from './settings.js';
