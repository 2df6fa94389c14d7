import { availableParallelism } from 'node:os';
import { bytes, durationMs, flag, integer, KIB, MIB, type SettingsOf } from '@fnfleet/core';

/** Settings of an agent, whatever role it works in. */
export const agentSettings = {
  hotPullTimeoutMs: durationMs('FN_HOT_PULL_TIMEOUT_MSECS', {
    default: 600_000,
    negativeIsNever: true,
    doc: 'Time limit for pulling an image. When it is exceeded, the call that needed the image fails with 504.',
  }),
  imageWaitMs: durationMs('FN_IMAGE_WAIT_MSECS', {
    default: 360_000,
    negativeIsNever: true,
    doc: 'How long a call waits for an image that is being pulled. After that, or at the deadline of the call, it is answered 503 with Retry-After; the pull continues for later calls.',
  }),
  hotStartTimeoutMs: durationMs('FN_HOT_START_TIMEOUT_MSECS', {
    default: 5_000,
    negativeIsNever: true,
    doc: 'Time limit from the start of a container until it opens its socket. When it is exceeded, the container is removed.',
  }),
  freezeIdleMs: durationMs('FN_FREEZE_IDLE_MSECS', {
    default: 50,
    negativeIsNever: true,
    doc: 'An idle container is frozen after this time: it keeps its memory and gets no CPU until its next call. 0: immediately.',
  }),
  uploadStallMs: durationMs('FN_UPLOAD_STALL_MSECS', {
    default: 10_000,
    doc: 'While a function receives a body that is still being uploaded (one larger than FN_COMPLETE_BODY_BYTES), the caller must send at least FN_UPLOAD_MIN_BYTES in each such period. Otherwise the call ends with 408 and its container is removed. The timeout of the function starts when the last byte has arrived.',
  }),
  uploadMinBytes: bytes('FN_UPLOAD_MIN_BYTES', {
    default: 10 * KIB,
    doc: 'Bytes of such a body that a caller must send per FN_UPLOAD_STALL_MSECS, unless fewer remain. It keeps a caller who sends a byte now and then from occupying a container indefinitely. 1: any byte is enough.',
  }),
  queueIdleTimeoutMs: durationMs('FN_HOT_LAUNCHER_TIMEOUT_MSECS', {
    default: 3_600_000,
    negativeIsNever: true,
    doc: 'After this time without a call the agent discards its data about a function and ends its standby containers, but not before twice the idle timeout of the function.',
  }),
  maxConcurrentLaunches: integer('FN_MAX_CONCURRENT_LAUNCHES', {
    default: Math.max(2, availableParallelism()),
    defaultText: 'the number of cores, at least 2',
    min: 1,
    doc: 'Maximum number of containers that start at the same time; further launches wait. More concurrent starts only slow each other down.',
  }),
  maxLogBytes: bytes('FN_MAX_LOG_SIZE_BYTES', {
    default: MIB,
    doc: 'Maximum output collected per call. A final line says when there was more.',
  }),
  disableDebugUserLogs: flag('FN_DISABLE_DEBUG_USER_LOGS', {
    default: false,
    doc: 'Keeps the output of functions out of the log of the runner, where it otherwise appears at level debug.',
  }),
  disableFunctionLogs: flag('FN_DISABLE_FUNCTION_LOGS', {
    default: false,
    doc: 'Collects no output of functions: log collectors and `fnfleet logs` get nothing. Output that the engine sends to the syslog of an app is not affected.',
  }),
  maxRequestHeadBytes: bytes('FN_MAX_HDR_REQUEST_SIZE', {
    default: 16 * KIB,
    doc: 'Maximum size of the head of a request to a function, including the headers that the runner adds. The HTTP library of an FDK may reject larger heads; that of Node does. A larger request is answered 431. 0: no limit.',
  }),
  maxResponseBytes: bytes('FN_MAX_RESPONSE_SIZE', {
    default: 0,
    doc: 'Maximum size of a response body. A response that announces more is rejected before any of it is sent. 0: no limit.',
  }),
  maxResponseHeaderBytes: bytes('FN_MAX_HDR_RESPONSE_SIZE', {
    default: 0,
    doc: 'Maximum size of all headers of a response, of which there may be 1 000. 0: 1 MiB.',
  }),
  maxTotalMemoryBytes: bytes('FN_MAX_TOTAL_MEMORY_BYTES', {
    default: 0,
    doc: 'Memory shared by all containers; at most what the machine has. 0: the memory of the machine minus headroom.',
  }),
  maxTotalCpuMillis: integer('FN_MAX_TOTAL_CPU_MCPUS', {
    default: 0,
    min: 0,
    doc: 'CPU shared by all containers, in thousandths of a core; at most what the machine has. 0: all of it.',
  }),
  nonBlocking: flag('FN_ENABLE_NB_RESOURCE_TRACKER', {
    default: false,
    doc: 'Answers 503 immediately when a call needs a new container and there is no room for it, instead of waiting for room.',
  }),
} as const;

export type AgentSettings = SettingsOf<typeof agentSettings>;
