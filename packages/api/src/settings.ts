import { durationMs, integer, type SettingsOf, text } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { queueSettings } from '@fnfleet/queue';

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
  schedulesMax: integer('FN_SCHEDULES_MAX', {
    default: 10_000,
    min: 0,
    max: 1_000_000,
    doc: 'Maximum number of triggers of type schedule in the database. Further ones are answered with 409. 10 000 that fire in the same minute are in the queue within a few seconds.',
  }),
  publicLbUrl: text('FN_PUBLIC_LB_URL', {
    default: '',
    doc: 'Base URL of the endpoints that are shown to clients. Unset: the host of the request, which is correct only on a full node.',
  }),
} as const;

export type ApiSettings = SettingsOf<typeof apiSettings>;
