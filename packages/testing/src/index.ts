export { type CertificateParts, FleetCertificates, TestCertificates, type Visitor } from './certificates.js';
export {
  dataFrame,
  errorCodeOf,
  FLAG,
  FRAME,
  goawayFrame,
  H2_ERROR,
  headersFrame,
  PREFACE,
  pingFrame,
  type RawFrame,
  rawFrame,
  resetFrame,
  SETTING,
  settingsFrame,
  uint32,
  windowUpdateFrame,
} from './http2/frames.js';
export {
  ENGAGE_REQUEST,
  fromBalancer,
  fromRunner,
  GRPC_OK,
  GRPC_RESPONSE,
  grpcMessage,
  grpcRequest,
} from './http2/grpc.js';
export { HeaderDecoder, type HeaderLines, hpackInteger, hpackString, literalHeaders } from './http2/hpack.js';
export {
  RawConnection,
  type RawConnectionOptions,
  type RawDialOptions,
  type RawHeaders,
  type RawServer,
  startRawServer,
} from './http2/raw-connection.js';
export {
  answerOrdinarily,
  endsBody,
  ORDINARY_ANSWER,
  type RawRunner,
  type RawRunnerOptions,
  startRawRunner,
} from './http2/raw-runner.js';
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
export { type ScriptedEngagement, type ScriptedRunner, startScriptedRunner, TEST_LINK } from './scripted-runner.js';
export { DnsServer, type DnsServerOptions } from './servers/dns-server.js';
export { EtcdServer } from './servers/etcd-server.js';
export { freePort, freePorts } from './servers/free-ports.js';
export { ImageRegistry, REGISTRY_OPERATOR } from './servers/image-registry.js';
export { type NatsOptions, NatsServer } from './servers/nats-server.js';
export { type PostgresOptions, PostgresServer } from './servers/postgres-server.js';
export { type Flow, RegistryFront } from './servers/registry-front.js';
export { H2_CLIENT, H2_SERVER, runTool, TestProgram, testTool } from './servers/test-program.js';
export { callWitness, dismissWitness, end, eventually, until, type Witness, within } from './waiting.js';
