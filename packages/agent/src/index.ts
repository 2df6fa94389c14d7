export type { Agent, CallListener, Utilization } from './agent.js';
export type { AgentCall, CallTimings } from './agent-call.js';
export type { CallDraft, CallOption } from './call-options.js';
export { type LogSink, noLogSink } from './log-sink.js';
