export { type EngageOptions, type Engaging, offerCall } from './balancer-session.js';
export type { AttemptBlame } from './blame.js';
export {
  decodeClientMessage,
  decodeRunnerMessage,
  encodeClientMessage,
  encodeRunnerMessage,
  NOTHING_REPORTED,
} from './codec.js';
export { loadJson } from './load-json.js';
export type { LoadReport } from './load-report.js';
export { type CollectorSession, collectLogs } from './log-collector.js';
export { decodeLogBatch, encodeLogBatch, type LogBatch, type LogEntry } from './log-messages.js';
export {
  type ClientMessage,
  type DataMessage,
  type FinishedMessage,
  MAX_ERROR_TEXT,
  MAX_FRAME_BYTES,
  MAX_MESSAGE_BYTES,
  type ResultStartMessage,
  type RunnerMessage,
  type StartedMessage,
  type TryMessage,
  type UnknownMessage,
} from './messages.js';
export { decodeOrca, encodeOrca, INCARNATION_HEADER, LOAD_TRAILER } from './orca.js';
export type {
  AttemptOutcome,
  BodyPiece,
  BodyReader,
  CallJournal,
  CallReport,
  OutboundCall,
  RefusalReason,
  ReplayableBody,
  ReportedTimings,
} from './outbound-call.js';
export type { AboutPull, RunnerAbout } from './runner-about.js';
export { packageDefinition, protoPath, protoRoot, runnerService } from './runner-proto.js';
export { type BeforeStart, type CallEnd, type CallIo, type RunCall, RunnerSession } from './runner-session.js';
export {
  decodeRunnerStatus,
  encodeRunnerStatus,
  MAX_ABOUT_PULLS,
  NOTHING_CHECKED,
  type RunnerStatus,
} from './runner-status.js';
export {
  ACCEPT_HEADER,
  ACCEPT_STARTED,
  readStartPromise,
  STARTED_HEADER,
  type StartPromise,
  startPromiseWord,
} from './start-marker.js';
export {
  type ClientStream,
  type ClientStreamHandler,
  GRPC_STATUS,
  type RunnerStream,
  type RunnerStreamHandler,
  type StreamEnd,
  StreamError,
} from './stream.js';
export { type StructMessage, structToJson } from './struct-json.js';
export { Connection, type ConnectionEvents, type ConnectionOptions } from './transport/connection.js';
export { DeliveryReceipts } from './transport/delivery-receipts.js';
export type { HeaderList } from './transport/header-list.js';
export { encodeHeaders } from './transport/hpack/encoder.js';
export type { Http2Stream, StreamListener, StreamLoss } from './transport/http2-stream.js';
export { Pulse, type PulseOptions } from './transport/pulse.js';
export { EngageHeads } from './transport/response-heads.js';
export { type ChannelOptions, RunnerChannel } from './transport/runner-channel.js';
export type { RunnerTls } from './transport/runner-link.js';
export { type EngagementOptions, EngagementStream } from './transport/runner-stream.js';
export { ServerCall, type ServerCallHandler } from './transport/server-call.js';
