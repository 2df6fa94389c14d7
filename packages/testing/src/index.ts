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
export { DnsServer, type DnsServerOptions } from './servers/dns-server.js';
export { EtcdServer } from './servers/etcd-server.js';
export { eventually, freePort, TestProgram, testTool } from './servers/test-program.js';
