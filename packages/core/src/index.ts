export { isLoopback, requestUrl } from './addresses.js';
export { completeBody, type RequestBody, type ResponseWriter } from './body.js';
export {
  type Clock,
  earliest,
  epochMs,
  LONG_AGO,
  later,
  latest,
  type MonoMs,
  NEVER,
  nanoseconds,
  sleepOn,
  systemClock,
  type Timer,
  type WallMs,
  wallAt,
  wallMs,
} from './clock.js';
export { formatDate, formatDateSeconds, parseDate, ZERO_DATE } from './dates.js';
export { DelayLine } from './delay-line.js';
export {
  CancelledError,
  describeError,
  type ErrorDescription,
  errorBody,
  FnError,
  type FnErrorOptions,
  isServerBusy,
  PeerError,
  tellOperator,
} from './errors/fn-error.js';
export { type Blame, CALL_ERROR_CODES, ERRORS, type ErrorCode, type ErrorEntry } from './errors/table.js';
export { FakeClock } from './fake-clock.js';
export { DirectoryWatch, type DirectoryWatchOptions, readSmallFile, readSmallFileSync } from './files.js';
export { decodeFrames, encodeFrames, type Frame } from './frames.js';
export {
  canonicalHeader,
  checkHeaders,
  type HeaderList,
  type HeaderMap,
  headersFromRaw,
  headerToText,
  headerUnsendable,
  isHeaderName,
  isHeaderValue,
  isHopByHop,
  textToHeader,
} from './headers.js';
export { encodeId, IdGenerator } from './ids.js';
export {
  Deferred,
  type DrainResult,
  InflightTracker,
  Listeners,
  Once,
  type Resource,
  type Service,
} from './lifecycle.js';
export {
  createLogger,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  silentLogger,
} from './logging.js';
export { METRIC_PREFIX, METRICS, type MetricName } from './metrics/declarations.js';
export { mergeMetrics, totalsOnly } from './metrics/merge.js';
export { PROMETHEUS_CONTENT_TYPE, renderPrometheus } from './metrics/prometheus.js';
export { RecordedMetrics } from './metrics/recorded-metrics.js';
export {
  count,
  countCallsFromZero,
  countFromZero,
  type HistogramPoint,
  type MetricSnapshot,
  type NumberPoint,
  observe,
  type Reading,
  readMetrics,
  readWhenExported,
} from './metrics/registry.js';
export type { Labels } from './metrics/series.js';
export { type App, appToJson, parseApp } from './models/app.js';
export {
  ASYNC_ANNOTATION,
  type AsyncPolicy,
  asyncPolicyOf,
  MAX_WAIT_SECONDS,
} from './models/async-policy.js';
export { parseBody } from './models/body-json.js';
export {
  type Annotations,
  type Call,
  type CallOutcome,
  type CallStatus,
  type CallType,
  COMPLETED,
  type Config,
  errorOf,
  failedCall,
} from './models/call.js';
export { CallDecodeError, decodeCall, encodeCall } from './models/call-json.js';
export { type CallParts, CallTemplate } from './models/call-template.js';
export { CALLBACKS_ANNOTATION, type Callbacks, type CallbackTarget, callbacksOf } from './models/callbacks.js';
export { DEFAULT_LIMITS, type Fn, fnToJson, parseFn } from './models/fn.js';
export { problemOfImage, splitImageName } from './models/image-name.js';
export { sortedOrAbsent } from './models/maps.js';
export {
  DEPLOYED_ANNOTATION,
  IDEMPOTENT_ANNOTATION,
  INVOKE_TYPE_ANNOTATION,
  type InvokeType,
  invokeTypeOf,
  isDeployedAnnotation,
  isIdempotent,
  SCHEDULE_ANNOTATION,
  STANDBY_ANNOTATION,
  standbyOf,
} from './models/own-annotations.js';
export {
  decodeQueuedRequest,
  decodeQueuedResponse,
  encodeQueuedRequest,
  encodeQueuedResponse,
  type QueuedRequest,
  type QueuedResponse,
} from './models/queued-call.js';
export { MAX_SOURCE_BYTES, parseTrigger, SCHEDULE_TYPE, type Trigger, triggerToJson } from './models/trigger.js';
export { printable, printableLine } from './printable.js';
export { type BorrowedBytes, lend, sharedReads, shareReads } from './reads.js';
export { type RecordedSpan, RecordedSpans } from './recorded-spans.js';
export { Registry } from './registry.js';
export {
  bytes,
  choice,
  duration,
  durationMs,
  flag,
  integer,
  limit,
  list,
  renderSettings,
  type Setting,
  SettingProblem,
  type SettingsOf,
  type SettingsSection,
  type SettingsShape,
  structured,
  text,
} from './settings/declare.js';
export { type Environment, readSettings, readWhatFits, SettingsError } from './settings/read.js';
export { giveSlab, SLAB_BYTES, takeSlab } from './slabs.js';
export { slotKey } from './slot-key.js';
export { isDeserted } from './socket-liveness.js';
export {
  BINARY_TRACE_HEADER,
  decodeBinaryTrace,
  encodeBinaryTrace,
  TRACE_STATE_HEADER,
  traceStateOf,
} from './tracing/binary-context.js';
export {
  activeTrace,
  closeSpan,
  entersTrace,
  hasTrace,
  inSpan,
  installTraceEntry,
  NO_TRACE,
  noteInTrace,
  type OpenSpan,
  openChildSpan,
  openLinkedSpan,
  openServerSpan,
  openSpan,
  readTrace,
  readTraceParent,
  SpanKind,
  type TraceContext,
  type TraceEntry,
  traceFields,
  traceHeaders,
  traceParentOf,
  withActiveTrace,
} from './tracing/tracing.js';
export { TurnoverMap, TurnoverSet } from './turnover.js';
export { formatCpus, GIB, KIB, MIB, parseCpus, parseDuration } from './units.js';
export { hostOfAddress, problemOfUnixAddress, SOCKET_PATH_MAX_BYTES, unixPathOf } from './unix-address.js';
export { VERSION } from './version.js';
