export type { ConfigureRunner } from './auxiliary/runner-methods.js';
export { FunctionLogs } from './logs/function-logs.js';
export type { MemberCheck } from './member-server.js';
export { newPureRunner, type PureRunner, type PureRunnerOptions } from './pure-runner.js';
export { pureRunnerSettings } from './settings.js';
export type { CustomHealth } from './status-image.js';
