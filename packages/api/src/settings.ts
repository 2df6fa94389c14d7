import { durationMs, integer, type SettingsOf, text } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';

/** Settings of an API node. */
export const apiSettings = {
  ...httpSettings,
  dbUrl: text('FN_DB_URL', {
    default: 'sqlite3://data/fn.db',
    doc: 'Database for apps, functions and triggers: `sqlite3://<path>`, relative to the working directory or absolute.',
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
  publicLbUrl: text('FN_PUBLIC_LB_URL', {
    default: '',
    doc: 'Base URL of the endpoints that are shown to clients. Unset: the host of the request, which is correct only on a full node.',
  }),
} as const;

export type ApiSettings = SettingsOf<typeof apiSettings>;
