import type { ErrorCode } from '@fnfleet/core';
import { FN_ID, json, type Operation, PAGING, type Parameter, STORE_ERRORS, type TAGS } from './operation.js';
import { QUEUE_OPERATIONS } from './queue-operations.js';

const conditional = (name: string, description: string): Parameter => ({
  name,
  description: `${description} A list of up to 100 entity tags, or \`*\`.`,
  schema: { type: 'string', maxLength: 8192, examples: ['"Lq3nHAXsP8wu1O8vRJKU0g"'] },
});
const IF_MATCH = conditional('If-Match', 'Only if the resource has this strong `ETag`; otherwise 412.');
const IF_NONE_MATCH = conditional('If-None-Match', 'Only if the resource does not have this `ETag`; otherwise 412.');
const UNLESS_KNOWN = conditional('If-None-Match', '304 if the resource still has this `ETag`.');

const NAME: Parameter = {
  name: 'name',
  description: 'Only the one with exactly this name.',
  schema: { type: 'string' },
};
const APP_ID: Parameter = { name: 'app_id', description: 'Id of the app.', required: true, schema: { type: 'string' } };

interface Kind<N extends 'App' | 'Fn' | 'Trigger'> {
  readonly name: N;
  readonly noun: string;
  readonly path: string;
  readonly param: string;
  readonly tag: keyof typeof TAGS;
  readonly query: readonly Parameter[];
  readonly errors: Readonly<Record<'list' | 'create' | 'any' | 'update', readonly ErrorCode[]>>;
  readonly onDelete: string;
}

/** The five operations of a kind of resource. */
function crud<N extends 'App' | 'Fn' | 'Trigger'>(kind: Kind<N>) {
  const { name, noun, path, tag, query, errors, onDelete } = kind;
  const item = `${path}/:${kind.param}`;
  const operations: Record<string, Operation> = {
    [`list${name}s`]: {
      method: 'GET',
      path,
      tag,
      summary: `List ${noun}s`,
      query: [...query, NAME, ...PAGING],
      answers: { 200: json(`${name}List`, 'A page, which may be empty.') },
      errors: [...errors.list, 'invalidCursor', ...STORE_ERRORS],
    },
    [`create${name}`]: {
      method: 'POST',
      path,
      tag,
      summary: `Create ${article(noun)}`,
      headers: [IF_MATCH, IF_NONE_MATCH],
      body: `New${name}`,
      answers: { 200: json(name, 'What was created.', ['ETag']) },
      errors: [...errors.create, 'preconditionFailed', ...STORE_ERRORS],
    },
    [`get${name}`]: {
      method: 'GET',
      path: item,
      tag,
      summary: `Read ${article(noun)}`,
      headers: [UNLESS_KNOWN, IF_MATCH],
      answers: {
        200: json(name, 'The current state.', ['ETag']),
        304: { description: 'It still has the entity tag of `If-None-Match`.', headers: ['ETag'] },
      },
      errors: [...errors.any, 'preconditionFailed', ...STORE_ERRORS],
    },
    [`update${name}`]: {
      method: 'PUT',
      path: item,
      tag,
      summary: `Change ${article(noun)}`,
      description: 'Merges: what is absent, empty or 0 stays, and maps are merged key by key.',
      headers: [IF_MATCH, IF_NONE_MATCH],
      body: `${name}Change`,
      answers: { 200: json(name, 'The merged state, without computed annotations.', ['ETag']) },
      errors: [...errors.any, ...errors.update, 'preconditionFailed', ...STORE_ERRORS],
    },
    [`delete${name}`]: {
      method: 'DELETE',
      path: item,
      tag,
      summary: `Delete ${article(noun)}`,
      description: onDelete,
      headers: [IF_MATCH, IF_NONE_MATCH],
      answers: { 204: { description: 'It is gone.' } },
      errors: [...errors.any, 'preconditionFailed', ...STORE_ERRORS],
    },
  };
  return operations as Record<`list${N}s` | `create${N}` | `get${N}` | `update${N}` | `delete${N}`, Operation>;
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** Every route under `/v2`, by operation id. */
export const API_OPERATIONS = {
  ...crud({
    name: 'App',
    noun: 'app',
    path: '/v2/apps',
    param: 'app_id',
    tag: 'Apps',
    query: [],
    errors: {
      list: [],
      create: ['appIdProvided', 'appExists'],
      any: ['appNotFound'],
      update: ['appIdMismatch', 'appNameImmutable'],
    },
    onDelete: 'Its functions and triggers are deleted as well.',
  }),
  ...crud({
    name: 'Fn',
    noun: 'function',
    path: '/v2/fns',
    param: 'fn_id',
    tag: 'Functions',
    query: [APP_ID],
    errors: {
      list: ['fnAppIdMissing'],
      create: ['fnIdProvided', 'appNotFound', 'fnExists'],
      any: ['fnNotFound'],
      update: ['fnIdMismatch'],
    },
    onDelete: 'Its triggers are deleted as well.',
  }),
  ...crud({
    name: 'Trigger',
    noun: 'trigger',
    path: '/v2/triggers',
    param: 'trigger_id',
    tag: 'Triggers',
    query: [APP_ID, FN_ID],
    errors: {
      list: ['triggerAppIdMissing'],
      create: [
        ...(['triggerIdProvided', 'triggerCreatedAtProvided', 'triggerUpdatedAtProvided', 'appNotFound'] as const),
        ...(['fnNotFound', 'triggerFnForeign', 'triggerExists', 'triggerSourceExists'] as const),
        ...(['scheduleWithoutQueue', 'schedulesTooMany', 'schedulesOverShare'] as const),
      ],
      any: ['triggerNotFound'],
      update: [
        ...(['triggerIdMismatch', 'appNotFound', 'fnNotFound', 'triggerFnForeign'] as const),
        ...(['triggerExists', 'triggerSourceExists'] as const),
      ],
    },
    onDelete: 'Its function stays.',
  }),
  getDocument: {
    method: 'GET',
    path: '/v2/openapi.json',
    tag: 'Document',
    summary: 'This document',
    answers: { 200: json('object', 'OpenAPI 3.1.') },
    errors: [],
  },
  getDocumentPage: {
    method: 'GET',
    path: '/v2/docs',
    tag: 'Document',
    summary: 'This document as a page',
    answers: { 200: { description: 'HTML without scripts.', body: { type: 'text/html', schema: 'text' } } },
    errors: [],
  },
  getTriggerBySource: {
    method: 'GET',
    path: '/v2/runner/apps/:app_id/triggerBySource/:trigger_type/*trigger_source',
    tag: 'Balancers',
    summary: 'Find the trigger of an app with exactly this source',
    answers: { 200: json('Trigger', 'The trigger, without computed annotations.') },
    errors: ['triggerNotFound', ...STORE_ERRORS],
  },
  followChanges: {
    method: 'GET',
    path: '/v2/changes',
    tag: 'Balancers',
    summary: 'Follow the changes of apps, functions and triggers',
    description:
      'Server-sent events. `reset` comes first unless the position is known: everything that was read before may be outdated. `change` has the change as JSON: `kind`, `action`, `id`, `app_id`, `name`, and of triggers `sources`. A comment is a sign of life.',
    query: [
      {
        name: 'cursor',
        description: 'The `id` of the last event, to continue after it.',
        schema: { type: 'string', maxLength: 256 },
      },
    ],
    headers: [{ name: 'Last-Event-ID', description: 'As `cursor`.', schema: { type: 'string', maxLength: 256 } }],
    answers: {
      200: {
        description: 'Events until either side ends it.',
        body: { type: 'text/event-stream', schema: 'text' },
        headers: ['Fn-Heartbeat-Msecs'],
      },
    },
    errors: ['tooManyFeedReaders', ...STORE_ERRORS],
  },
  ...QUEUE_OPERATIONS,
} as const satisfies Record<string, Operation>;

export type ApiOperationId = keyof typeof API_OPERATIONS;
