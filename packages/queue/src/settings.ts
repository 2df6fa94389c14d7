import { bytes, durationMs, flag, integer, type SettingsOf, text } from '@fnfleet/core';
import { DEFAULT_BOUNDS, type QueueBounds } from './bounds.js';

/** Settings of the queue of asynchronous calls. */
export const queueSettings = {
  mqUrl: text('FN_MQ_URL', {
    default: 'sqlite3://data/fn-mq.db',
    secret: true,
    doc: 'Queue for asynchronous calls: `sqlite3://<path>`, relative to the working directory or absolute, which one process has open at a time; or, shared by several API nodes, `postgres://<user>:<password>@<host>:<port>/<database>` with the parameters of `FN_DB_URL`, or `nats://<user>:<password>@<host>:<port>,…/<name>`.',
  }),
  mqAllowUnsynced: flag('FN_MQ_ALLOW_UNSYNCED', {
    default: false,
    doc: 'Whether a queue may acknowledge calls that a power cut destroys: in NATS when the server does not sync each write and has fewer than three replicas, in Postgres with `fsync = off`.',
  }),
  mqCacheDir: text('FN_MQ_CACHE_DIR', {
    default: '',
    defaultText: 'the folder for temporary files',
    doc: 'Where an API node keeps its copy of a queue in NATS: on a disk, with as much room as the queue has bytes. The file has no name and is gone with the process.',
  }),
  mqMaxBody: bytes('FN_MQ_MAX_BODY', {
    default: DEFAULT_BOUNDS.maxBodyBytes,
    doc: 'Maximum size of the body of an asynchronous call.',
  }),
  mqMaxCalls: integer('FN_MQ_MAX_CALLS', {
    default: DEFAULT_BOUNDS.maxMessages,
    min: 1,
    doc: 'Maximum number of asynchronous calls that wait, run or are dead. Beyond it, further ones are refused with 503.',
  }),
  mqMaxBytes: bytes('FN_MQ_MAX_BYTES', {
    default: DEFAULT_BOUNDS.maxBytes,
    doc: 'Maximum size of the queue on disk. Beyond it, further calls are refused with 503.',
  }),
  mqMaxRecords: integer('FN_MQ_MAX_RECORDS', {
    default: DEFAULT_BOUNDS.maxRecords,
    min: 0,
    doc: 'Maximum number of asynchronous calls that have ended and whose records are kept; the oldest are forgotten.',
  }),
  mqMaxResult: bytes('FN_MQ_MAX_RESULT', {
    default: DEFAULT_BOUNDS.maxResultBytes,
    doc: 'How much of the response, and of the log, of an asynchronous call is kept with its record.',
  }),
  mqKeepMs: durationMs('FN_MQ_KEEP_MSECS', {
    default: DEFAULT_BOUNDS.keepMs,
    doc: 'How long the record of an asynchronous call that succeeded or was cancelled is kept.',
  }),
  mqKeepDeadMs: durationMs('FN_MQ_KEEP_DEAD_MSECS', {
    default: DEFAULT_BOUNDS.keepDeadMs,
    doc: 'How long dead letters are kept.',
  }),
  mqTimeoutMs: durationMs('FN_MQ_TIMEOUT_MSECS', {
    default: 5_000,
    doc: 'Time limit for an operation on the queue, once its transaction has begun. Beyond it the response is 503.',
  }),
  mqMaxWaiting: integer('FN_MQ_MAX_WAITING', {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Maximum number of operations that wait for the queue, and of requests that wait for calls. Further ones are answered with 503.',
  }),
} as const;

export type QueueSettings = SettingsOf<typeof queueSettings>;

export function boundsOf(settings: QueueSettings): Partial<QueueBounds> {
  return {
    maxBodyBytes: settings.mqMaxBody,
    maxMessages: settings.mqMaxCalls,
    maxBytes: settings.mqMaxBytes,
    maxRecords: settings.mqMaxRecords,
    maxResultBytes: settings.mqMaxResult,
    keepMs: settings.mqKeepMs,
    keepDeadMs: settings.mqKeepDeadMs,
  };
}
