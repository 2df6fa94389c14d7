export { newPureRunner, type PureRunner, type PureRunnerOptions } from './pure-runner.js';
export { pureRunnerSettings } from './settings.js';
