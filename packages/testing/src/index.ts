export { aCall, anOutboundCall, FixedBody, RecordingWriter, type TestCall } from './outbound-call.js';
export {
  balancerMessages,
  loadRecording,
  type RecordedEvent,
  type Recording,
  recordingNames,
  runnerMessages,
} from './recordings.js';
export { type PlayedEngagement, ScriptedBalancer } from './scripted-balancer.js';
export { type ScriptedEngagement, type ScriptedRunner, startScriptedRunner } from './scripted-runner.js';
