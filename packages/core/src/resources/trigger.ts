import { z } from 'zod';
import type { WallMs } from '../clock.js';
import { FnError } from '../errors/fn-error.js';
import { mergeAnnotations } from '../models/maps.js';
import { INVOKE_TYPE_ANNOTATION, INVOKE_TYPES, isInvokeType } from '../models/own-annotations.js';
import { revised } from '../models/revision.js';
import { completeTrigger, MAX_SOURCE_BYTES, type Trigger, triggerToJson } from '../models/trigger.js';
import { annotationsField } from './annotations.js';
import { nameRules, WORD } from './names.js';
import { checkResource, dateOf, maxBytes, notEmpty, oneOf, readBody, rule, serverDate, text } from './rules.js';

const INVOKE_TYPE = rule<Trigger['annotations']>(
  'triggerInvokeTypeInvalid',
  ({ [INVOKE_TYPE_ANNOTATION]: value }) => value === undefined || isInvokeType(value),
  {
    properties: {
      [INVOKE_TYPE_ANNOTATION]: {
        description:
          'Whether its calls are asynchronous. By default each caller decides, with `Fn-Invoke-Type: async`.',
        enum: [...INVOKE_TYPES],
      },
    },
  },
);

/** A trigger in requests and responses. Fields are in the order of their checks. */
export const triggerSchema = z
  .object({
    app_id: text([notEmpty('triggerAppIdMissing')], {
      description: 'The app it belongs to. Never changes: ignored in a change.',
      examples: ['01D1ZVPBKV180G40RZJ0000001'],
    }),
    name: text(
      nameRules(WORD, { missing: 'triggerNameMissing', tooLong: 'triggerNameTooLong', invalid: 'triggerNameInvalid' }),
      {
        description: 'Unique within its function. Letters and numbers of any script, `_` and `-`; at most 255 bytes.',
        examples: ['checkout'],
      },
    ),
    fn_id: text([notEmpty('triggerFnIdMissing')], {
      description: 'The function it calls, of the same app.',
      examples: ['01D1ZVPBKV180G40RZJ0000002'],
    }),
    type: text([oneOf(['http'], 'triggerTypeInvalid')], {
      description: 'Never changes: ignored in a change.',
    }),
    source: text(
      [
        notEmpty('triggerSourceMissing'),
        rule('triggerSourcePrefix', (source) => source.startsWith('/'), { pattern: '^/' }),
        maxBytes(MAX_SOURCE_BYTES, 'triggerSourceTooLong'),
        rule('triggerSourceHasNul', (source) => !source.includes('\0')),
      ],
      {
        description: 'Path below `/t/<app name>` that calls the function. Matched exactly; unique within the app.',
        examples: ['/checkout'],
      },
    ),
    annotations: annotationsField('Facts about the trigger, for people and tools. Some have an effect.', [INVOKE_TYPE]),
    id: text([], { description: 'Chosen by the server.', readOnly: true, examples: ['01D1ZVPBKV180G40RZJ0000003'] }),
    created_at: serverDate('When it was created.'),
    updated_at: serverDate('When it last changed.'),
  })
  .partial()
  .meta({ description: 'A path under the name of an app that calls one of its functions.' });

/** A trigger as a client sends it. */
export type TriggerBody = z.input<typeof triggerSchema>;

/** The fields of a trigger that a client sent. Undefined means "not given". */
export type TriggerInput = Partial<Trigger>;

/** @throws FnError `invalidJson` */
export function parseTriggerInput(json: string): TriggerInput {
  const { app_id, fn_id, created_at, updated_at, ...same } = readBody(triggerSchema, json);
  return { ...same, appId: app_id, fnId: fn_id, createdAt: dateOf(created_at), updatedAt: dateOf(updated_at) };
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
  checkResource(triggerSchema, triggerToJson(trigger));
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
  checkResource(triggerSchema, triggerToJson(next));
  return revised(current, next, (trigger) => JSON.stringify(triggerToJson(trigger)), now);
}
