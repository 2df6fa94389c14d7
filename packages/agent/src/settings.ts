import { availableParallelism } from 'node:os';
import { bytes, durationMs, flag, integer, KIB, MIB, type SettingsOf } from '@fnfleet/core';

/** Settings of an agent, whatever role it works in. */
export const agentSettings = {
  hotPullTimeoutMs: durationMs('FN_HOT_PULL_TIMEOUT_MSECS', {
    default: 600_000,
    negativeIsNever: true,
    doc: 'Time an image gets to arrive. Past it the call that needed it fails with 504.',
  }),
  imageWaitMs: durationMs('FN_IMAGE_WAIT_MSECS', {
    default: 360_000,
    negativeIsNever: true,
    doc: 'Time that a call waits for an image that is being pulled. Past it, or past a deadline of the call, it is answered 503 with Retry-After, and the pull goes on for later calls.',
  }),
  hotStartTimeoutMs: durationMs('FN_HOT_START_TIMEOUT_MSECS', {
    default: 5_000,
    negativeIsNever: true,
    doc: 'Time a container gets from its start to its first open socket. Past it the container is removed.',
  }),
  freezeIdleMs: durationMs('FN_FREEZE_IDLE_MSECS', {
    default: 50,
    negativeIsNever: true,
    doc: 'An idle container is frozen after this time: it keeps its memory and gets no CPU until its next call. 0: at once.',
  }),
  uploadStallMs: durationMs('FN_UPLOAD_STALL_MSECS', {
    default: 10_000,
    doc: 'Time in which a caller must send some more of a body (FN_UPLOAD_MIN_BYTES) that its function is already receiving: one that was too long to wait for (FN_COMPLETE_BODY_BYTES). Then the call ends with 408 and its container is removed. The time of the function begins when the last byte is there.',
  }),
  uploadMinBytes: bytes('FN_UPLOAD_MIN_BYTES', {
    default: 10 * KIB,
    doc: 'What a caller must send of such a body in FN_UPLOAD_STALL_MSECS, unless that is the rest of it: a byte now and then would hold a container for ever. 1: any byte is enough.',
  }),
  queueIdleTimeoutMs: durationMs('FN_HOT_LAUNCHER_TIMEOUT_MSECS', {
    default: 3_600_000,
    negativeIsNever: true,
    doc: 'What the agent knows about a function is forgotten, and its standby containers end, when no call has come for so long; not before twice the idle timeout of the function.',
  }),
  maxConcurrentLaunches: integer('FN_MAX_CONCURRENT_LAUNCHES', {
    default: Math.max(2, availableParallelism()),
    defaultText: 'the number of cores, at least 2',
    min: 1,
    doc: 'Containers that may be started at the same time. More at once only make each other slow; the others wait their turn.',
  }),
  maxLogBytes: bytes('FN_MAX_LOG_SIZE_BYTES', {
    default: MIB,
    doc: 'Output of one call that is taken. A line says so when there was more.',
  }),
  disableDebugUserLogs: flag('FN_DISABLE_DEBUG_USER_LOGS', {
    default: false,
    doc: 'Keeps the output of functions out of the log of the runner, where it otherwise stands at level debug.',
  }),
  disableFunctionLogs: flag('FN_DISABLE_FUNCTION_LOGS', {
    default: false,
    doc: 'Takes no output of functions at all: nothing for collectors, nothing for `fnfleet logs`. What the engine sends to the syslog of an app is not affected.',
  }),
  maxRequestHeadBytes: bytes('FN_MAX_HDR_REQUEST_SIZE', {
    default: 16 * KIB,
    doc: 'Largest head of a request to a function, with what is added to it: the HTTP library of an FDK may take no larger one, that of Node does not. The caller of a larger one is answered 431. 0: no limit.',
  }),
  maxResponseBytes: bytes('FN_MAX_RESPONSE_SIZE', {
    default: 0,
    doc: 'Largest body of an answer. One that announces more is refused before anything of it goes out. 0: no limit.',
  }),
  maxResponseHeaderBytes: bytes('FN_MAX_HDR_RESPONSE_SIZE', {
    default: 0,
    doc: 'Largest header block of an answer, in at most 1 000 headers. 0: 1 MiB.',
  }),
  maxTotalMemoryBytes: bytes('FN_MAX_TOTAL_MEMORY_BYTES', {
    default: 0,
    doc: 'Memory shared by all containers. Can only lower what the machine has; 0: what the machine has, less head room.',
  }),
  maxTotalCpuMillis: integer('FN_MAX_TOTAL_CPU_MCPUS', {
    default: 0,
    min: 0,
    doc: 'CPU shared by all containers, in thousandths of a core. Can only lower what the machine has; 0: all of it.',
  }),
  nonBlocking: flag('FN_ENABLE_NB_RESOURCE_TRACKER', {
    default: false,
    doc: 'Answer 503 at once when a container is needed and there is no room for it, instead of waiting for room.',
  }),
} as const;

export type AgentSettings = SettingsOf<typeof agentSettings>;
