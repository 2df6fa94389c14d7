import { DEAD, READY } from '../message-row.js';

/** Version of the tables of the queue, apart from those of the control plane: they may be in different databases. */
export const SCHEMA_VERSION = 3;

/** Steps that lead from one version to the next; the first one makes the tables. */
export const MIGRATIONS: readonly string[] = [
  /*
   * `fnfleet_mq` has one row: what is true of the whole queue. Each transaction that changes something locks it first and
   * increments `batch`; functions have in `changed` the batch that changed them last.
   *
   * What reservations and scans read is apart from what is large. `due` is when a delayed call becomes ready, a lease
   * expires, or an ended call is forgotten; a ready call has none. Times are of the queue, except for those named `_wall`.
   * Whatever clients and functions send is in `bytea`, because texts of Postgres cannot have all characters.
   */
  `
  create table fnfleet_mq (
    version integer not null, batch bigint not null, epoch bigint not null,
    at bigint, wall bigint, server_at bigint,
    last_seq bigint not null, last_fn bigint not null, turn bigint not null,
    kept bigint not null, keys bigint not null, bytes bigint not null, next_due bigint
  ) with (fillfactor = 10);
  insert into fnfleet_mq values (0, 0, 0, null, null, null, 0, 0, 0, 0, 0, 0, null);

  create table fnfleet_mq_functions (
    id bigint primary key, fn_id text collate "C" not null unique, lane text not null,
    concurrency double precision, rate_calls double precision, rate_ms double precision,
    tokens double precision not null, tokens_at double precision not null,
    rests_until double precision not null, rests integer not null, closed text,
    ready_0 integer not null, ready_1 integer not null, ready_2 integer not null,
    delayed integer not null, running integer not null, dead integer not null,
    turn bigint not null, changed bigint not null
  ) with (fillfactor = 50);

  create table fnfleet_mq_calls (
    seq bigint primary key, call_id text collate "C" not null unique, fn bigint not null,
    priority smallint not null, state smallint not null, due bigint,
    expires_at bigint, max_age bigint, policy text,
    attempt integer not null, failures integer not null, deliveries integer not null,
    token text, holder text, lease_ms bigint,
    accepted_at bigint not null, accepted_wall bigint not null, started_wall bigint, ended_wall bigint,
    reason text, follow_ups text,
    payload_bytes integer not null, result_bytes integer not null, log_bytes integer not null
  ) with (autovacuum_vacuum_scale_factor = 0.05);
  create index fnfleet_mq_calls_ready on fnfleet_mq_calls (fn, priority, seq) where state = ${READY};
  create index fnfleet_mq_calls_due on fnfleet_mq_calls (state, due, seq) where due is not null;
  create index fnfleet_mq_calls_expiry on fnfleet_mq_calls (expires_at) where state < 2 and expires_at is not null;
  create index fnfleet_mq_calls_by_fn on fnfleet_mq_calls (fn, call_id);
  create index fnfleet_mq_calls_dead on fnfleet_mq_calls (call_id) where state = ${DEAD};
  create index fnfleet_mq_calls_dead_by_fn on fnfleet_mq_calls (fn, call_id) where state = ${DEAD};

  create table fnfleet_mq_payloads (seq bigint primary key, head bytea not null, body bytea not null)
    with (autovacuum_vacuum_scale_factor = 0.05);
  alter table fnfleet_mq_payloads alter column body set storage external;
  create table fnfleet_mq_results (
    seq bigint primary key, head bytea not null, body bytea not null, body_bytes bigint not null
  );
  create table fnfleet_mq_logs (seq bigint primary key, log bytea not null);
  create table fnfleet_mq_deliveries (
    seq bigint not null, n integer not null, attempt integer not null, holder text not null,
    started_wall bigint not null, ended_wall bigint not null, ending text not null, reason text,
    primary key (seq, n)
  );
  create table fnfleet_mq_keys (
    fn bigint not null, key text collate "C" not null, call_id text not null, due bigint not null,
    primary key (fn, key)
  );
  create index fnfleet_mq_keys_due on fnfleet_mq_keys (due);
  `,
  /* How many keys each function has, so that one cannot take them all. */
  `
  alter table fnfleet_mq_functions add column keys integer not null default 0;
  update fnfleet_mq_functions f set keys = (select count(*) from fnfleet_mq_keys k where k.fn = f.id);
  `,
  /* Whose functions they are: apps have turns. Empty if that is not known. */
  `alter table fnfleet_mq_functions add column app text collate "C" not null default '';`,
];

/** Columns of a call that change after it was accepted. */
export const CHANGING = [
  ...['state', 'due', 'expires_at', 'attempt', 'failures', 'deliveries', 'token', 'holder', 'lease_ms'],
  ...['started_wall', 'ended_wall', 'reason', 'payload_bytes', 'result_bytes', 'log_bytes'],
] as const;

/** Columns of a function that change after it was added. */
export const FUNCTION_CHANGING = [
  ...['app', 'concurrency', 'rate_calls', 'rate_ms', 'tokens', 'tokens_at', 'rests_until', 'rests', 'closed'],
  ...['ready_0', 'ready_1', 'ready_2', 'delayed', 'running', 'dead', 'turn', 'changed', 'keys'],
] as const;
