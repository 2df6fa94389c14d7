import { bytes, durationMs, integer, MIB, type SettingsOf, structured, text } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { queueSettings } from '@fnfleet/queue';
import { parseAllowedHosts } from './callbacks/callback-hosts.js';
import { parseSecrets } from './callbacks/callback-signature.js';

/** Settings of an API node. */
export const apiSettings = {
  ...httpSettings,
  dbUrl: text('FN_DB_URL', {
    default: 'sqlite3://data/fn.db',
    secret: true,
    doc: 'Database for apps, functions and triggers: `sqlite3://<path>`, relative to the working directory or absolute; or `postgres://<user>:<password>@<host>:<port>/<database>?sslmode=verify-full`, which several API nodes can share.',
  }),
  dbTimeoutMs: durationMs('FN_DB_TIMEOUT_MSECS', {
    default: 5_000,
    doc: 'Time limit for a change or a lookup in the database, including the wait for other writers. Beyond it the response is 503.',
  }),
  dbMaxWaiting: integer('FN_DB_MAX_WAITING', {
    default: 256,
    min: 1,
    max: 100_000,
    doc: 'Maximum number of lookups that wait for the database, and of changes that do. Further ones are answered with 503.',
  }),
  feedMaxReaders: integer('FN_FEED_MAX_READERS', {
    default: 1_000,
    min: 0,
    max: 100_000,
    doc: 'Maximum number of open change feeds (`GET /v2/changes`). Every process of a balancer has one. Further ones are answered with 503, and their balancers see changes after FN_LOOKUP_TTL_MSECS.',
  }),
  feedHeartbeatMs: integer('FN_FEED_HEARTBEAT_MSECS', {
    default: 5_000,
    min: 100,
    max: 60_000,
    doc: 'How often a change feed sends a sign of life, in milliseconds. A balancer that misses three of them connects to another API node. A reader that reads nothing for this time is disconnected.',
  }),
  dbMaxConnections: integer('FN_DB_MAX_CONNECTIONS', {
    default: 10,
    min: 2,
    max: 1_000,
    doc: 'Maximum number of connections to a Postgres server, besides one that listens for changes. At most one of them writes. Unused ones are closed after 30 s.',
  }),
  dbStartTimeoutMs: durationMs('FN_DB_START_TIMEOUT_MSECS', {
    default: 30_000,
    doc: 'How long a node that starts waits for a Postgres server that cannot be reached, before it ends with an error.',
  }),
  ...queueSettings,
  mqUrl: text('FN_MQ_URL', {
    defaultText: '`fn-mq.db` beside the SQLite database, or the Postgres database itself',
    secret: true,
    doc: 'Queue for asynchronous calls: `sqlite3://<path>`, relative to the working directory or absolute; or `postgres://<user>:<password>@<host>:<port>/<database>`, as in `FN_DB_URL`; or `nats://<user>:<password>@<host>:<port>,…/<name>`. It is opened when it is first used. Several API nodes that share one in Postgres all use it; of those that share another one, one keeps the queue, and another takes over when that ends. See [async.md](async.md#where-calls-are-kept).',
  }),
  asyncHeldBytes: bytes('FN_ASYNC_HELD_BYTES', {
    default: 64 * MIB,
    doc: 'Maximum size of the bodies of asynchronous calls, and of other requests to the queue, that are received or wait for it at a time. Further ones are answered with 503.',
  }),
  schedulesMax: integer('FN_SCHEDULES_MAX', {
    default: 10_000,
    min: 0,
    max: 1_000_000,
    doc: 'Maximum number of triggers of type schedule in the database, of which an app gets eight times as many as are left. Further ones are answered with 409. 10 000 that fire in the same minute are in the queue within a few seconds.',
  }),
  callbackSecret: structured('FN_CALLBACK_SECRET', 'secrets separated by commas', parseSecrets, {
    default: [],
    defaultText: 'none: callbacks to URLs become dead letters',
    secret: true,
    doc: 'Secret from which the keys that sign callbacks are made, at least 32 characters. Several, separated by commas, while one replaces another: callbacks are signed with the keys of all of them. The same on every API node.',
  }),
  callbackAllow: structured('FN_CALLBACK_ALLOW', 'hosts and networks separated by commas', parseAllowedHosts, {
    default: [],
    defaultText: 'none',
    doc: 'Hosts to which callbacks are delivered although they are not public, or without TLS: names, `*.<domain>`, addresses, and networks such as `10.1.0.0/16`.',
  }),
  callbackTimeoutMs: durationMs('FN_CALLBACK_TIMEOUT_MSECS', {
    default: 15_000,
    doc: 'Time limit for the delivery of a callback, from the lookup of the host to the head of the response.',
  }),
  callbackAttempts: integer('FN_CALLBACK_ATTEMPTS', {
    default: 12,
    min: 1,
    max: 30,
    doc: 'How often the delivery of a callback is attempted before it is a dead letter. The pauses are from 5 s up to 6 h; 12 attempts take up to three hours.',
  }),
  callbackConsumers: integer('FN_CALLBACK_CONSUMERS', {
    default: 64,
    min: 0,
    max: 1_000,
    doc: 'Maximum number of callbacks that this node delivers at a time. With 0 it delivers none.',
  }),
  callbackConsumersPerHost: integer('FN_CALLBACK_CONSUMERS_PER_HOST', {
    default: 8,
    min: 1,
    max: 1_000,
    doc: 'Maximum number of them for the calls of one function, and to one host.',
  }),
  publicLbUrl: text('FN_PUBLIC_LB_URL', {
    default: '',
    doc: 'Base URL of the endpoints that are shown to clients. Unset: the host of the request, which is correct only on a full node.',
  }),
} as const;

export type ApiSettings = SettingsOf<typeof apiSettings>;
