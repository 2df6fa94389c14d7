import { z } from 'zod';
import type { WallMs } from '../clock.js';
import { FnError } from '../errors/fn-error.js';
import type { Annotations } from '../models/call.js';
import { mergeAnnotations } from '../models/maps.js';
import { INVOKE_TYPE_ANNOTATION, INVOKE_TYPES, isInvokeType } from '../models/own-annotations.js';
import { revised } from '../models/revision.js';
import { completeTrigger, MAX_SOURCE_BYTES, SCHEDULE_TYPE, type Trigger, triggerToJson } from '../models/trigger.js';
import { annotationsField } from './annotations.js';
import { nameRules, WORD } from './names.js';
import {
  checkResource,
  dateOf,
  maxBytes,
  notEmpty,
  oneOf,
  type Rule,
  readBody,
  rule,
  serverDate,
  text,
} from './rules.js';
import { EXPRESSION_RULES, SCHEDULE_ANNOTATION_RULES } from './schedule.js';

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

const PATH_RULES: readonly Rule<string>[] = [
  notEmpty('triggerSourceMissing'),
  rule('triggerSourcePrefix', (source) => source.startsWith('/')),
  maxBytes(MAX_SOURCE_BYTES, 'triggerSourceTooLong'),
  rule('triggerSourceHasNul', (source) => !source.includes('\0')),
];

/** Fields are in the order of their checks. */
function triggerFields(source: readonly Rule<string>[], annotations: readonly Rule<Annotations>[], pattern?: string) {
  return z
    .object({
      app_id: text([notEmpty('triggerAppIdMissing')], {
        description: 'The app it belongs to. Never changes: ignored in a change.',
        examples: ['01D1ZVPBKV180G40RZJ0000001'],
      }),
      name: text(
        nameRules(WORD, {
          missing: 'triggerNameMissing',
          tooLong: 'triggerNameTooLong',
          invalid: 'triggerNameInvalid',
        }),
        {
          description: 'Unique within its function. Letters and numbers of any script, `_` and `-`; at most 255 bytes.',
          examples: ['checkout'],
        },
      ),
      fn_id: text([notEmpty('triggerFnIdMissing')], {
        description: 'The function it calls, of the same app.',
        examples: ['01D1ZVPBKV180G40RZJ0000002'],
      }),
      type: text([oneOf(['http', SCHEDULE_TYPE], 'triggerTypeInvalid')], {
        description: 'Never changes: ignored in a change.',
      }),
      source: text(source, {
        description:
          'Of type `http`: path below `/t/<app name>` that calls the function, with its slash. Matched exactly; unique within the app. Of type `schedule`: a cron expression of at most 256 bytes.',
        examples: ['/checkout'],
        ...(pattern !== undefined && { pattern }),
      }),
      annotations: annotationsField('Facts about the trigger, for people and tools. Some have an effect.', annotations),
      id: text([], { description: 'Chosen by the server.', readOnly: true, examples: ['01D1ZVPBKV180G40RZJ0000003'] }),
      created_at: serverDate('When it was created.'),
      updated_at: serverDate('When it last changed.'),
      next_fire_at: serverDate(
        'Of a schedule: the earliest firing that is not in the queue yet. Not in the response to a change.',
      ),
      last_fire_at: serverDate('Of a schedule: the last firing that is in the queue.'),
    })
    .partial()
    .meta({ description: 'What calls a function: a path under the name of its app, or a schedule.' });
}

const pathTrigger = triggerFields(PATH_RULES, [INVOKE_TYPE]);
const scheduleTrigger = triggerFields(EXPRESSION_RULES, SCHEDULE_ANNOTATION_RULES);

/** A trigger of any type in requests and responses: types, and for the document the rules of all types. */
export const triggerSchema = triggerFields(
  [...PATH_RULES, ...EXPRESSION_RULES].map(unchecked),
  documented([INVOKE_TYPE, ...SCHEDULE_ANNOTATION_RULES]),
  '^/|^@[a-z]+$|^\\S+( +\\S+){4,5}$',
);

/** What several rules say about single annotations. */
function documented(rules: readonly Rule<Annotations>[]): readonly Rule<Annotations>[] {
  const properties = Object.assign({}, ...rules.map(({ says }) => says?.properties));
  return rules.map(({ code }) => ({ code, says: { properties }, violation: () => undefined }));
}

function unchecked<T>({ code, says }: Rule<T>): Rule<T> {
  return { code, says, violation: () => undefined };
}

/** @throws FnError for the first broken rule */
function checkTrigger(trigger: Trigger): void {
  checkResource(trigger.type === SCHEDULE_TYPE ? scheduleTrigger : pathTrigger, triggerToJson(trigger));
}

/** A trigger as a client sends it. */
export type TriggerBody = z.input<typeof triggerSchema>;

/** The fields of a trigger that a client sent. Undefined means "not given". */
export type TriggerInput = Partial<Trigger>;

/** @throws FnError `invalidJson` */
export function parseTriggerInput(json: string): TriggerInput {
  const {
    app_id,
    fn_id,
    created_at,
    updated_at,
    next_fire_at: _next,
    last_fire_at: _last,
    ...same
  } = readBody(triggerSchema, json);
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
  checkTrigger(trigger);
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
  checkTrigger(next);
  return revised(current, next, (trigger) => JSON.stringify(triggerToJson(trigger)), now);
}
