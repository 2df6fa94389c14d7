import { DEAD, READY } from '../message-row.js';

/** Version of the schema, of the queue alone. */
export const SCHEMA_VERSION = 2;

/*
 * What reservations and scans read is apart from what is large: `messages` has a narrow row for each call, and bodies,
 * results and past deliveries are in tables of their own, by `seq`, the order of acceptance.
 *
 * `due` is when a delayed call becomes ready, a lease expires, or an ended call is forgotten; a ready call has none. Times
 * are of the queue, except for those named `_wall`.
 * The `app` of a function is empty if it is not known.
 */
export const SCHEMA = `
  create table meta (version integer not null, at integer, wall integer) strict;
  insert into meta (version) values (${SCHEMA_VERSION});

  create table functions (
    id integer primary key, fn_id text not null unique,
    concurrency integer, rate_calls integer, rate_ms integer,
    tokens real not null default 0, tokens_at integer not null default 0,
    lane text not null, closed text, app text not null default ''
  ) strict;

  create table messages (
    seq integer primary key, call_id text not null unique, fn integer not null,
    priority integer not null, state integer not null, due integer,
    expires_at integer, max_age integer, policy text,
    attempt integer not null default 0, failures integer not null default 0, deliveries integer not null default 0,
    token text, holder text, lease_ms integer,
    accepted_at integer not null, accepted_wall integer not null, started_wall integer, ended_wall integer,
    reason text, follow_ups text
  ) strict;
  create index messages_ready on messages (fn, priority) where state = ${READY};
  create index messages_oldest on messages (seq) where state = ${READY};
  create index messages_due on messages (state, due, fn, priority) where due is not null;
  create index messages_expiry on messages (expires_at) where state < 2 and expires_at is not null;
  create index messages_by_fn on messages (fn, call_id);
  create index messages_dead on messages (call_id) where state = ${DEAD};
  create index messages_dead_by_fn on messages (fn, call_id) where state = ${DEAD};

  create table payloads (seq integer primary key, head text not null, body blob not null) strict;
  create table results (seq integer primary key, head text not null, body blob not null, body_bytes integer not null) strict;
  create table logs (seq integer primary key, log text not null) strict;
  create table deliveries (
    seq integer not null, n integer not null, attempt integer not null, holder text not null,
    started_wall integer not null, ended_wall integer not null, ending text not null, reason text,
    primary key (seq, n)
  ) strict, without rowid;
  create table keys (
    fn integer not null, key text not null, call_id text not null, due integer not null,
    primary key (fn, key)
  ) strict, without rowid;
  create index keys_due on keys (due);
`;

/** What makes the tables of version 1 those of version 2. */
export const MIGRATION = `
  alter table functions add column app text not null default '';
  update meta set version = ${SCHEMA_VERSION};
`;
