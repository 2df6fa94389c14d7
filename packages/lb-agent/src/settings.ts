import { accessSync, constants } from 'node:fs';
import { sep } from 'node:path';
import { bytes, durationMs, integer, KIB, MIB, type SettingsOf, structured, text } from '@fnfleet/core';
import { discoverySettings } from '@fnfleet/discovery';
import { placementSettings } from '@fnfleet/placement';

/** Settings of a load balancer, except those of its HTTP port. */
export const lbSettings = {
  runnerApiUrl: text('FN_RUNNER_API_URL', {
    required: true,
    secret: true,
    doc: 'API nodes used to look up functions: scheme (default http; https with TLS), host and port; several with commas between them; or a pool that lists them, in a form of FN_RUNNER_POOL. A balancer asks one of them, and the next one when that fails.',
  }),
  tlsApiName: text('FN_TLS_API_NAME', {
    defaultText: 'the host part of its URL',
    doc: 'With TLS: the name that the certificate of every API node must have. Required where addresses are not names, such as with a `dns` pool.',
  }),
  lookupHedgeMs: durationMs('FN_LOOKUP_HEDGE_MSECS', {
    default: 500,
    doc: 'How long a lookup waits for an API node before it asks the next one as well.',
  }),
  lookupTtlMs: durationMs('FN_LOOKUP_TTL_MSECS', {
    default: 5_000,
    doc: 'How long a balancer caches an app, a function or a trigger before it asks the API node again. A balancer that follows the changes at an API node sees them at once; otherwise they take effect after this time.',
  }),
  ...discoverySettings,
  ...placementSettings,
  executionHeadroomMs: durationMs('FN_EXECUTION_HEADROOM', {
    default: 360_000,
    doc: 'Added to the placement time limit of a detached call and the timeout of its function. The sum is its deadline.',
  }),
  completeBodyBytes: bytes('FN_COMPLETE_BODY_BYTES', {
    default: 64 * KIB,
    doc: 'A request body up to this size is received completely before its call is placed, so that a slow client does not use up the function’s timeout or hold a container. A longer body is streamed, and the function’s timeout starts when its last byte has arrived. The body of a detached call is always received completely.',
  }),
  replayBufferBytes: bytes('FN_REPLAY_BUFFER_BYTES', {
    default: 8 * MIB,
    doc: 'Bytes of one request body that are kept in memory in case a runner refuses the call. The rest is kept on disk.',
  }),
  replayMemoryBytes: bytes('FN_REPLAY_MEMORY_BYTES', {
    default: 256 * MIB,
    doc: 'Memory for the kept request bodies of all calls together. The rest is kept on disk.',
  }),
  replayDiskBytes: bytes('FN_REPLAY_DISK_BYTES', {
    default: 4096 * MIB,
    doc: 'Disk space for kept request bodies. A body that does not fit is still streamed, but its call cannot be offered to another runner. 0: none.',
  }),
  replaySpillDir: structured('FN_REPLAY_SPILL_DIR', 'a directory that can be written to', writableDirectory, {
    defaultText: 'the directory for temporary files',
    doc: 'Directory for kept request bodies. The files have no name and disappear with the process. On a tmpfs they use memory.',
  }),
  asyncConsumers: integer('FN_ASYNC_CONSUMERS', {
    default: 16,
    min: 0,
    max: 10_000,
    doc: 'How many asynchronous calls the balancer runs at a time. It takes them from the queues of the API nodes while no other call waits and the runners are less than 80 % full. 0: none.',
  }),
  asyncBusyPercent: integer('FN_ASYNC_BUSY', {
    default: 80,
    min: 1,
    max: 100,
    doc: 'While clients call and at least this percentage of the CPU is in use, of the machine of the balancer or of the one core that its JavaScript can use, fewer and fewer asynchronous calls run. Below it, as many run as do not make the calls of clients slower.',
  }),
  asyncSharePercent: integer('FN_ASYNC_SHARE', {
    default: 0,
    min: 0,
    max: 100,
    doc: 'How many asynchronous calls may start for each hundred calls of clients, one after the other, although that makes these slower or the CPU is in use as `FN_ASYNC_BUSY` says. At least one every two seconds starts. While no client calls, there is no such limit.',
  }),
  asyncLeaseMs: integer('FN_ASYNC_LEASE_MSECS', {
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    doc: 'How long the balancer has an asynchronous call before it must renew that, which it does three times in this time. After a balancer was killed, its calls run again within this time.',
  }),
  asyncHeldBytes: bytes('FN_ASYNC_HELD_BYTES', {
    default: 64 * MIB,
    doc: 'Maximum size of the bodies of asynchronous calls, and of other requests to the queue, that are received or wait for it at a time. Further ones are answered with 503.',
  }),
  mqMaxBody: bytes('FN_MQ_MAX_BODY', {
    default: MIB,
    doc: 'Maximum size of the body of an asynchronous call.',
  }),
  clientStallMs: durationMs('FN_CLIENT_STALL_MSECS', {
    default: 60_000,
    doc: 'How long a client may read nothing of a response before its connection is closed and its call ends.',
  }),
  explainCalls: integer('FN_EXPLAIN_CALLS', {
    default: 1000,
    min: 0,
    max: 1_000_000,
    doc: 'How many ended calls `GET /explain/:call_id` remembers, at most 16 MiB. 0: none, and calls in flight are not recorded either.',
  }),
  workloadFile: text('FN_WORKLOAD_FILE', {
    formerly: 'FN_TRACE_FILE',
    default: '',
    doc: 'File to which one line is appended for each call that ran: when it arrived and how long it took, for `fnfleet simulate --workload-file`.',
  }),
  requestIdHeader: text('FN_RID_HEADER', {
    default: '',
    doc: 'Request header whose value identifies the request in the logs of balancer and runner. At most 256 printable ASCII characters; a request without a usable value gets a generated one.',
  }),
} as const;

function writableDirectory(path: string): string {
  accessSync(`${path}${sep}`, constants.W_OK | constants.X_OK);
  return path;
}

export type LbSettings = SettingsOf<typeof lbSettings>;
