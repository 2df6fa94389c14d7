export { type EngageOptions, type Engaging, newStatusLimits, offerCall } from './engage/balancer-session.js';
export type { AttemptBlame } from './engage/blame.js';
export {
  type CallReport,
  type ClientMessage,
  type DataMessage,
  type FinishedMessage,
  MAX_CALL_LOG_BYTES,
  MAX_ERROR_TEXT,
  MAX_FRAME_BYTES,
  MAX_MESSAGE_BYTES,
  type ResultStartMessage,
  type RunnerMessage,
  type StartedMessage,
  type TryMessage,
  type UnknownMessage,
} from './engage/messages.js';
export type {
  AttemptOutcome,
  BodyPiece,
  BodyReader,
  OutboundCall,
  PlacementEventSink,
  RefusalReason,
  ReplayableBody,
  ReportedTimings,
} from './engage/outbound-call.js';
export { type BeforeStart, type CallEnd, type CallIo, type RunCall, RunnerSession } from './engage/runner-session.js';
export {
  ACCEPT_HEADER,
  ACCEPT_STARTED,
  readStartAckMode,
  STARTED_HEADER,
  type StartAckMode,
  startAckHeader,
} from './engage/start-ack.js';
export {
  type ClientStream,
  type ClientStreamHandler,
  GRPC_STATUS,
  type RunnerStream,
  type RunnerStreamHandler,
  type StreamEnd,
  StreamError,
} from './engage/stream.js';
export { Connection } from './transport/connection.js';
export type { ConnectionEvents, ConnectionOptions } from './transport/connection-options.js';
export { DeliveryReceipts } from './transport/delivery-receipts.js';
export type { HeaderList } from './transport/header-list.js';
export { encodeHeaders } from './transport/hpack/encoder.js';
export type { Http2Stream, StreamListener, StreamLoss } from './transport/http2-stream.js';
export { KeepaliveMonitor, type KeepaliveOptions } from './transport/keepalive-monitor.js';
export { EngageHeads } from './transport/response-heads.js';
export { type ChannelOptions, RunnerChannel } from './transport/runner-channel.js';
export type { RunnerTls } from './transport/runner-link.js';
export { type EngagementOptions, EngagementStream } from './transport/runner-stream.js';
export { ServerCall, type ServerCallHandler } from './transport/server-call.js';
export {
  decodeClientMessage,
  decodeRunnerMessage,
  encodeClientMessage,
  encodeRunnerMessage,
  NOTHING_REPORTED,
} from './wire/codec.js';
export { type LoadReport, loadJson } from './wire/load-report.js';
export { type CollectorSession, collectLogs } from './wire/log-collector.js';
export { decodeLogBatch, encodeLogBatch, type LogBatch, type LogEntry } from './wire/log-messages.js';
export { decodeOrca, encodeOrca, INSTANCE_ID_HEADER, LOAD_TRAILER } from './wire/orca.js';
export { packageDefinition, protoPath, protoRoot, runnerService } from './wire/runner-proto.js';
export {
  type AboutPull,
  decodeRunnerStatus,
  encodeRunnerStatus,
  MAX_ABOUT_PULLS,
  NOTHING_CHECKED,
  type RunnerAbout,
  type RunnerStatus,
} from './wire/runner-status.js';
export { type StructMessage, structToJson } from './wire/struct-json.js';
