import { formatDate } from '../dates.js';
import { parseBody } from './body-json.js';
import type { Annotations } from './call.js';
import { sortedOrAbsent } from './maps.js';
import type { Dated } from './revision.js';

/** Length limit of a source, in UTF-8 bytes. */
export const MAX_SOURCE_BYTES = 2048;

/** The type of triggers that call a function at given times. */
export const SCHEDULE_TYPE = 'schedule' as const;

/** What calls a function: a path under the name of its app, or a schedule. */
export interface Trigger extends Dated {
  id: string;
  /** Unique within its function. */
  name: string;
  /** Never changes. */
  appId: string;
  fnId: string;
  /** `http` or `schedule`. Never changes. */
  type: string;
  /**
   * Of type http: a path, which starts with a slash, is matched exactly, and is unique within the app. Of type schedule: a cron
   * expression.
   */
  source: string;
  annotations: Annotations;
}

/** Reads the trigger in a response of an API node. `@fnfleet/core/resources` reads and checks what clients send. */
export function parseTrigger(json: string): Trigger {
  const fields = parseBody(json);
  return completeTrigger({
    id: fields.text('id'),
    name: fields.text('name'),
    appId: fields.text('app_id'),
    fnId: fields.text('fn_id'),
    createdAt: fields.date('created_at'),
    updatedAt: fields.date('updated_at'),
    type: fields.text('type'),
    source: fields.text('source'),
    annotations: fields.annotations('annotations'),
  });
}

/** Fields in the order that clients expect, and without those that they expect to be absent. */
export function triggerToJson(trigger: Trigger): object {
  return {
    id: trigger.id,
    name: trigger.name,
    app_id: trigger.appId,
    fn_id: trigger.fnId,
    created_at: formatDate(trigger.createdAt),
    updated_at: formatDate(trigger.updatedAt),
    type: trigger.type,
    source: trigger.source,
    annotations: sortedOrAbsent(trigger.annotations),
  };
}

/** Fills in what is not given. */
export function completeTrigger(input: Partial<Trigger>): Trigger {
  return {
    id: input.id ?? '',
    name: input.name ?? '',
    appId: input.appId ?? '',
    fnId: input.fnId ?? '',
    type: input.type ?? '',
    source: input.source ?? '',
    annotations: input.annotations ?? {},
    createdAt: input.createdAt,
    updatedAt: input.updatedAt,
  };
}
