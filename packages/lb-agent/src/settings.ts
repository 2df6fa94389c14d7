import { accessSync, constants } from 'node:fs';
import { sep } from 'node:path';
import { bytes, durationMs, integer, KIB, MIB, type SettingsOf, structured, text } from '@fnfleet/core';
import { discoverySettings } from '@fnfleet/discovery';
import { placementSettings } from '@fnfleet/placement';

/** Settings of a load balancer, beside those of its HTTP port. */
export const lbSettings = {
  runnerApiUrl: text('FN_RUNNER_API_URL', {
    required: true,
    doc: 'The api node that functions are looked up at: scheme (http unless given), host and port.',
  }),
  lookupTtlMs: durationMs('FN_LOOKUP_TTL_MSECS', {
    default: 5_000,
    doc: 'How long a balancer believes what it knows of an app, a function or a trigger; then it asks the api node again. A change, new code for one, is seen after this.',
  }),
  ...discoverySettings,
  ...placementSettings,
  executionHeadroomMs: durationMs('FN_EXECUTION_HEADROOM', {
    default: 360_000,
    doc: 'Added to the time to place a detached call and the timeout of its function; after all three it is given up.',
  }),
  completeBodyBytes: bytes('FN_COMPLETE_BODY_BYTES', {
    default: 64 * KIB,
    doc: 'A request body of up to so many bytes is complete before its call is placed, so that a slow client takes no time of the function and holds no container. A longer one streams, and the function’s time begins when its last byte is there. The body of a detached call is always held whole.',
  }),
  replayBufferBytes: bytes('FN_REPLAY_BUFFER_BYTES', {
    default: 8 * MIB,
    doc: 'Bytes of one request body that are kept in memory in case a runner refuses the call. What exceeds them is kept on disk.',
  }),
  replayMemoryBytes: bytes('FN_REPLAY_MEMORY_BYTES', {
    default: 256 * MIB,
    doc: 'Bytes that the request bodies of all calls together may keep in memory. What exceeds them is kept on disk.',
  }),
  replayDiskBytes: bytes('FN_REPLAY_DISK_BYTES', {
    default: 4096 * MIB,
    doc: 'Bytes of request bodies that may be kept on disk. A body for which there is no room streams on, but its call is not offered to another runner. 0: none.',
  }),
  replaySpillDir: structured('FN_REPLAY_SPILL_DIR', 'a directory that can be written to', writableDirectory, {
    defaultText: 'the directory for temporary files',
    doc: 'Where request bodies are kept on disk, in files that have no name and vanish with the process. On a tmpfs they would take memory.',
  }),
  clientStallMs: durationMs('FN_CLIENT_STALL_MSECS', {
    default: 60_000,
    doc: 'Time in which a client must take some of an answer that waits for it; then its connection is closed and its call ends.',
  }),
  explainCalls: integer('FN_EXPLAIN_CALLS', {
    default: 1000,
    min: 0,
    max: 1_000_000,
    doc: 'Calls that have ended of which GET /explain/:call_id can still tell; at most 16 MiB. 0: none, nor those under way.',
  }),
  workloadFile: text('FN_WORKLOAD_FILE', {
    formerly: 'FN_TRACE_FILE',
    default: '',
    doc: 'File to which one line is appended for each call that ran: when it arrived and how long it took, for `fnfleet simulate --workload-file`.',
  }),
  requestIdHeader: text('FN_RID_HEADER', {
    default: '',
    doc: 'Request header with a name for the request, which then is in the logs of balancer and runner. At most 256 printable ASCII characters; a request without such a name gets one.',
  }),
} as const;

function writableDirectory(path: string): string {
  accessSync(`${path}${sep}`, constants.W_OK | constants.X_OK);
  return path;
}

export type LbSettings = SettingsOf<typeof lbSettings>;
