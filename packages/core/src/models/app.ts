import { formatDate } from '../dates.js';
import { parseBody } from './body-json.js';
import type { Annotations, Config } from './call.js';
import { sortedOrAbsent } from './maps.js';
import type { Dated } from './revision.js';

/** A group of functions that share configuration; triggers are found under the app's name. */
export interface App extends Dated {
  id: string;
  /** Unique; never changes. */
  name: string;
  config: Config;
  annotations: Annotations;
  /** Syslog destination for its containers; empty for none. */
  syslogUrl: string;
  /** Processor architectures of its functions; empty if not given. Never changes. */
  shape: string;
}

/** Reads the app in a response of an API node. `@fnfleet/core/resources` reads and checks what clients send. */
export function parseApp(json: string): App {
  const fields = parseBody(json);
  return completeApp({
    id: fields.text('id'),
    name: fields.text('name'),
    config: fields.config('config'),
    annotations: fields.annotations('annotations'),
    syslogUrl: fields.text('syslog_url'),
    shape: fields.text('shape'),
    createdAt: fields.date('created_at'),
    updatedAt: fields.date('updated_at'),
  });
}

/** Fields in the order that clients expect, and without those that they expect to be absent. */
export function appToJson(app: App): object {
  return {
    id: app.id,
    name: app.name,
    config: sortedOrAbsent(app.config),
    annotations: sortedOrAbsent(app.annotations),
    syslog_url: app.syslogUrl || undefined,
    created_at: formatDate(app.createdAt),
    updated_at: formatDate(app.updatedAt),
    shape: app.shape || undefined,
  };
}

/** Fills in what is not given. */
export function completeApp(input: Partial<App>): App {
  return {
    id: input.id ?? '',
    name: input.name ?? '',
    config: input.config ?? {},
    annotations: input.annotations ?? {},
    syslogUrl: input.syslogUrl ?? '',
    shape: input.shape ?? '',
    createdAt: input.createdAt,
    updatedAt: input.updatedAt,
  };
}
