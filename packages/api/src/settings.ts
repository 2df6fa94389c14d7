import { type SettingsOf, text } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';

/** Settings of a node that keeps apps, functions and triggers. */
export const apiSettings = {
  ...httpSettings,
  dbUrl: text('FN_DB_URL', {
    default: 'sqlite3://data/fn.db',
    doc: 'Where apps, functions and triggers are kept: `sqlite3://<path>`, relative to the working directory or absolute.',
  }),
  publicLbUrl: text('FN_PUBLIC_LB_URL', {
    default: '',
    doc: 'Base of the endpoints shown to clients. Unset: the host that the client asked, which is right only on a full node.',
  }),
} as const;

export type ApiSettings = SettingsOf<typeof apiSettings>;
