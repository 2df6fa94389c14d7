import type { WallMs } from '../clock.js';
import { formatDate } from '../dates.js';
import { FnError } from '../errors/fn-error.js';
import { mergeAnnotations, validateAnnotations } from './annotations.js';
import { parseBody } from './body-json.js';
import type { Annotations } from './call.js';
import { sortedOrAbsent } from './maps.js';
import { validateName, WORD } from './names.js';
import { type Dated, revised } from './revision.js';

/** Length limit of a source, in UTF-8 bytes. */
export const MAX_SOURCE_BYTES = 2048;

/** A path under an app's name that calls one of its functions. */
export interface Trigger extends Dated {
  id: string;
  /** Unique within its function. */
  name: string;
  /** Never changes. */
  appId: string;
  fnId: string;
  /** Only `http` exists. Never changes. */
  type: string;
  /** Starts with a slash and is matched exactly. Unique within the app. */
  source: string;
  annotations: Annotations;
}

/** The fields of a trigger that a client sent. Undefined means "not given". */
export type TriggerInput = Partial<Trigger>;

/** @throws FnError `invalidJson` */
export function parseTriggerInput(json: string): TriggerInput {
  const fields = parseBody(json);
  return {
    id: fields.text('id'),
    name: fields.text('name'),
    appId: fields.text('app_id'),
    fnId: fields.text('fn_id'),
    createdAt: fields.date('created_at'),
    updatedAt: fields.date('updated_at'),
    type: fields.text('type'),
    source: fields.text('source'),
    annotations: fields.annotations('annotations'),
  };
}

/** Reads the trigger in a response of an API node. */
export function parseTrigger(json: string): Trigger {
  return completeTrigger(parseTriggerInput(json));
}

/**
 * Creates a trigger from what a client sent.
 * @throws FnError for the first problem
 */
export function newTrigger(input: TriggerInput, id: string, now: WallMs): Trigger {
  if (input.id) throw new FnError('triggerIdProvided');
  if (input.createdAt !== undefined) throw new FnError('triggerCreatedAtProvided');
  if (input.updatedAt !== undefined) throw new FnError('triggerUpdatedAtProvided');
  const trigger: Trigger = { ...completeTrigger(input), id, createdAt: now, updatedAt: now };
  validateTrigger(trigger);
  return trigger;
}

/**
 * Applies a change to a trigger: name, function and source are replaced unless empty, and annotations are merged. An app or
 * type in the change is ignored.
 * @throws FnError as for a new trigger
 */
export function changedTrigger(current: Trigger, change: TriggerInput, now: WallMs): Trigger {
  const next: Trigger = {
    ...current,
    name: change.name || current.name,
    fnId: change.fnId || current.fnId,
    source: change.source || current.source,
    annotations: mergeAnnotations(current.annotations, change.annotations),
  };
  validateTrigger(next);
  return revised(current, next, (trigger) => JSON.stringify(triggerToJson(trigger)), now);
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

function completeTrigger(input: TriggerInput): Trigger {
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

function validateTrigger(trigger: Trigger): void {
  if (trigger.appId === '') throw new FnError('triggerAppIdMissing');
  validateName(trigger.name, WORD, {
    missing: 'triggerNameMissing',
    tooLong: 'triggerNameTooLong',
    invalid: 'triggerNameInvalid',
  });
  if (trigger.fnId === '') throw new FnError('triggerFnIdMissing');
  if (trigger.type !== 'http') throw new FnError('triggerTypeInvalid');
  if (trigger.source === '') throw new FnError('triggerSourceMissing');
  if (!trigger.source.startsWith('/')) throw new FnError('triggerSourcePrefix');
  if (Buffer.byteLength(trigger.source) > MAX_SOURCE_BYTES) throw new FnError('triggerSourceTooLong');
  validateAnnotations(trigger.annotations);
}
