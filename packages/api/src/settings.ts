import { durationMs, integer, type SettingsOf, text } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';

/** Settings of a node that keeps apps, functions and triggers. */
export const apiSettings = {
  ...httpSettings,
  dbUrl: text('FN_DB_URL', {
    default: 'sqlite3://data/fn.db',
    doc: 'Where apps, functions and triggers are kept: `sqlite3://<path>`, relative to the working directory or absolute.',
  }),
  dbTimeoutMs: durationMs('FN_DB_TIMEOUT_MSECS', {
    default: 5_000,
    doc: 'How long a change, or a look-up, may take in the database, waiting for others that write included. Beyond it the answer is 503.',
  }),
  dbMaxWaiting: integer('FN_DB_MAX_WAITING', {
    default: 256,
    min: 1,
    max: 100_000,
    doc: 'Look-ups that may wait for the database at a time, and changes that may. The answer to more is 503.',
  }),
  publicLbUrl: text('FN_PUBLIC_LB_URL', {
    default: '',
    doc: 'Base of the endpoints shown to clients. Unset: the host that the client asked, which is right only on a full node.',
  }),
} as const;

export type ApiSettings = SettingsOf<typeof apiSettings>;
