export { apiOrigin } from './api-client.js';
export type { LbCallListener } from './call-listener.js';
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
  withRequestId,
  withTrigger,
  withWriter,
} from './call-options.js';
export type { CallPlacement } from './call-placement.js';
export type { Explanation } from './explain/call-record.js';
export { CachedLookup, type FunctionLookup, newApiLookup, type TriggeredFunction } from './function-lookup.js';
export type { FunctionSource } from './function-source.js';
export { HttpResponseWriter } from './http-response-writer.js';
export { type CallOverrider, type LBAgent, type LBAgentOptions, newLBAgent } from './lb-agent.js';
export type { LbCall } from './lb-call.js';
export { type LbServer, type LbServerOptions, newLbServer } from './lb-server.js';
export {
  answerQuestion,
  type LbOperations,
  type LbQuestion,
  operationsOf,
  operationsOfGroup,
} from './operations.js';
export { type LossReason, ReplayBudget, type ReplayBudgetOptions } from './replay/replay-budget.js';
export { type BodySource, ReplayBuffer, type ReplayBufferLimits } from './replay/replay-buffer.js';
export type { SpillHandle } from './replay/spill-file.js';
export { type HeadMapping, invokeHead, type ResponseHead, triggerHead } from './response-head.js';
export { type LbSettings, lbSettings } from './settings.js';
