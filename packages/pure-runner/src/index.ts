export { FunctionLogs } from './logs/function-logs.js';
export { newPureRunner, type PureRunner, type PureRunnerOptions } from './pure-runner.js';
export { pureRunnerSettings } from './settings.js';
