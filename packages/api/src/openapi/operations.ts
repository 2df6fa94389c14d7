import { CALL_ERROR_CODES, ERRORS, type ErrorCode } from '@fnfleet/core';
import type { SchemaName } from './schemas.js';

/** A parameter of a path, a query or the headers. */
export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly required?: true;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly description: string;
  /** The body; without it the response has none. */
  readonly body?: { readonly type: string; readonly schema: SchemaName | 'text' | 'object' };
  /** A client may also ask for `text/plain`. */
  readonly orText?: boolean;
  /** Names of HEADERS. */
  readonly headers?: readonly string[];
}

/**
 * One method of one path. The table below is the only place where routes under `/v2` are declared: the routes of a node and the
 * OpenAPI document are made from it.
 */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS';
  /** Express template: `/v2/apps/:app_id` */
  readonly path: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description?: string;
  readonly query?: readonly Parameter[];
  readonly headers?: readonly Parameter[];
  readonly body?: SchemaName | 'any';
  /** By status; errors are in `errors`. */
  readonly answers: Readonly<Record<string, Answer>>;
  /** In addition to those of every request. */
  readonly errors: readonly ErrorCode[];
}

export const TAGS = {
  Apps: 'Groups of functions that share configuration.',
  Functions: 'Images and the limits of their calls.',
  Triggers: 'Paths that call functions.',
  Document: 'The description of this API.',
  Balancers: 'Routes for balancers, those of Fn included.',
  Calls: 'Served by balancers and full nodes, and not by API nodes.',
} as const;

export const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  app_id: 'Id of an app.',
  fn_id: 'Id of a function.',
  trigger_id: 'Id of a trigger.',
  trigger_type: 'Always `http`.',
  trigger_source: 'Source of the trigger. It begins with a slash, so the path has two in a row.',
  call_id: 'Id of a call.',
  app_name: 'Name of an app.',
};

/** Headers of responses. */
export const HEADERS: Readonly<Record<string, Omit<Parameter, 'name'>>> = {
  ETag: {
    description: 'Strong entity tag of the resource, for `If-Match` and `If-None-Match`; the same on every API node.',
    schema: { type: 'string', examples: ['"Lq3nHAXsP8wu1O8vRJKU0g"'] },
  },
  'Fn-Call-Id': {
    description: 'Id of the call, for `fnfleet explain`.',
    schema: { type: 'string', examples: ['01D1ZVPBKV180G40RZJ0000004'] },
  },
  'Fn-Heartbeat-Msecs': {
    description: 'Milliseconds between two signs of life.',
    schema: { type: 'integer', minimum: 1 },
  },
  'Retry-After': { description: 'Seconds after which a retry makes sense.', schema: { type: 'integer', minimum: 1 } },
};

/** Errors of every request to a port. */
export const COMMON_ERRORS: readonly ErrorCode[] = [
  ...(['badRequest', 'hostUnknown', 'foreignPage', 'clientCertRefused', 'requestTimeout'] as const),
  ...(['headersTooBig', 'requestTooBig', 'internal'] as const),
];
export const OPERATOR_ERRORS: readonly ErrorCode[] = ['operatorOnly', 'operatorTokenWrong'];
export const CALLER_ERRORS: readonly ErrorCode[] = ['clientCertMissing'];
const STORE_ERRORS = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => code.startsWith('database'));

const JSON_TYPE = 'application/json';
const json = (schema: SchemaName | 'object', description: string, headers: readonly string[] = []): Answer => ({
  description,
  body: { type: JSON_TYPE, schema },
  headers,
});

const conditional = (name: string, description: string): Parameter => ({
  name,
  description: `${description} A list of up to 100 entity tags, or \`*\`.`,
  schema: { type: 'string', maxLength: 8192, examples: ['"Lq3nHAXsP8wu1O8vRJKU0g"'] },
});
const IF_MATCH = conditional('If-Match', 'Only if the resource has this strong `ETag`; otherwise 412.');
const IF_NONE_MATCH = conditional('If-None-Match', 'Only if the resource does not have this `ETag`; otherwise 412.');
const UNLESS_KNOWN = conditional('If-None-Match', '304 if the resource still has this `ETag`.');

const PAGING: readonly Parameter[] = [
  { name: 'cursor', description: '`next_cursor` of the previous page, unchanged.', schema: { type: 'string' } },
  {
    name: 'per_page',
    description: 'Items of a page. More than the maximum counts as the maximum, and nonsense as the default.',
    schema: { type: 'integer', minimum: 1, maximum: 100, default: 30 },
  },
];
const NAME: Parameter = {
  name: 'name',
  description: 'Only the one with exactly this name.',
  schema: { type: 'string' },
};
const APP_ID: Parameter = { name: 'app_id', description: 'Id of the app.', required: true, schema: { type: 'string' } };
const FN_ID: Parameter = { name: 'fn_id', description: 'Only those of this function.', schema: { type: 'string' } };

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

const QUEUE_ERRORS: readonly ErrorCode[] = [
  ...(['asyncUnsupported', 'queueUnavailable', 'queueOverloaded'] as const),
  ...STORE_ERRORS,
];
const CALL_STATUSES = ['delayed', 'queued', 'running', 'success', 'error', 'cancelled'];
const FRAMES =
  'Binary: frames of two 32-bit big-endian lengths, then a head in JSON of the first length and a body of the second one.';

const CALL_FILTERS: readonly Parameter[] = [
  {
    name: 'status',
    description: 'Only calls with this status.',
    schema: { type: 'string', enum: CALL_STATUSES },
  },
  {
    name: 'from_time',
    description: 'Only calls accepted after it, in seconds since 1970.',
    schema: { type: 'integer' },
  },
  {
    name: 'to_time',
    description: 'Only calls accepted before it, in seconds since 1970.',
    schema: { type: 'integer' },
  },
  ...PAGING,
];
const CALL_FILTER_ERRORS: readonly ErrorCode[] = [
  ...(['invalidCursor', 'fromTimeInvalid', 'toTimeInvalid', 'callStatusUnknown', 'callTypeUnknown'] as const),
  ...QUEUE_ERRORS,
];

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
  acceptCall: {
    method: 'POST',
    path: '/v2/runner/async/calls',
    tag: 'Balancers',
    summary: 'Accept an asynchronous call',
    description: `${FRAMES} The head of the only frame has \`call_id\`, \`fn_id\`, \`head\` (the request), and optionally \`priority\`, \`delay_ms\`, \`max_age_ms\`, \`idempotency_key\`, \`policy\` and \`limits\`. The response comes when the call is on disk. Repeating it with the same \`call_id\` has no effect.`,
    body: 'any',
    answers: { 200: json('AcceptedCall', 'The call is on disk.') },
    errors: [...QUEUE_ERRORS, 'queueFull', 'queueShareFull', 'queueMessageTooBig', 'invalidJson'],
  },
  reserveCalls: {
    method: 'POST',
    path: '/v2/runner/async/reserve',
    tag: 'Balancers',
    summary: 'Lease asynchronous calls',
    description: `The body is JSON: \`holder\`, \`limit\`, \`lease_ms\`, and \`wait_ms\`, for which it waits if no call is ready. ${FRAMES} Each head has \`call_id\`, \`token\`, \`fn_id\`, \`attempt\`, \`priority\`, \`age_ms\` and \`head\`.`,
    body: 'any',
    answers: {
      200: {
        description: 'A frame for each call; none if there was none in time.',
        body: { type: 'application/octet-stream', schema: 'text' },
      },
      204: { description: 'This node has no queue, or cannot open it now.' },
    },
    errors: [...QUEUE_ERRORS, 'invalidJson'],
  },
  settleCalls: {
    method: 'POST',
    path: '/v2/runner/async/settle',
    tag: 'Balancers',
    summary: 'Extend leases, and say how calls ended',
    description: `${FRAMES} Each head has \`call_id\`, \`token\` and \`kind\`: \`extend\` (\`lease_ms\`), \`complete\` (\`head\`; the body is that of the result), \`retry\` (\`blame\`, \`code\`, \`message\`, \`after_ms\`), \`give_back\` (\`rest_ms\`, for which no call of its function is leased), or \`bury\` (\`code\`, \`message\`). One may be \`reserve\` instead, with what \`/v2/runner/async/reserve\` takes: it never waits, and shares a transaction with the ends, which come first.`,
    body: 'any',
    answers: {
      200: json(
        'object',
        '`answers`: one for each frame, with its `kind`; `leaseLost` if it changed nothing. `reserves`: true. With a frame of the kind `reserve`, frames instead: the head of the first has `answers`, and `reserved`, which is false if no calls can be leased now; each other one is a call.',
      ),
    },
    errors: [...QUEUE_ERRORS, 'invalidJson'],
  },
  saveQueue: {
    method: 'GET',
    path: '/v2/queue/backup',
    tag: 'Functions',
    summary: 'Save the queue of asynchronous calls',
    description:
      'For a queue in a file: a consistent copy of it, an SQLite database, while calls go on. `fnfleet backup` asks for it. One at a time.',
    answers: {
      200: {
        description: 'The copy.',
        body: { type: 'application/vnd.sqlite3', schema: 'text' },
      },
    },
    errors: [...QUEUE_ERRORS, 'queueNotInFile'],
  },
  enqueueFnCall: {
    method: 'PUT',
    path: '/v2/runner/async',
    tag: 'Balancers',
    summary: 'Accept an asynchronous call in the form of Fn',
    description: 'The body is a call in JSON, with the body of the request as `payload`.',
    body: 'any',
    answers: { 204: { description: 'The call is on disk.' } },
    errors: [...QUEUE_ERRORS, 'queueFull', 'queueShareFull', 'queueMessageTooBig', 'invalidJson'],
  },
  dequeueFnCalls: {
    method: 'GET',
    path: '/v2/runner/async',
    tag: 'Balancers',
    summary: 'Reserve an asynchronous call in the form of Fn',
    description: 'Waits up to 30 s. The call returns to the queue unless its start is reported within 60 s.',
    answers: { 200: json('object', '`calls`: at most one call.') },
    errors: [...QUEUE_ERRORS, 'invalidJson'],
  },
  reportStart: {
    method: 'POST',
    path: '/v2/runner/start',
    tag: 'Balancers',
    summary: 'Report the start of a call in the form of Fn',
    description: 'A reserved call leaves the queue for good. Reports of other calls are discarded.',
    body: 'any',
    answers: { 204: { description: 'Noted.' } },
    errors: [...QUEUE_ERRORS, 'invalidJson'],
  },
  reportFinish: {
    method: 'POST',
    path: '/v2/runner/finish',
    tag: 'Balancers',
    summary: 'Accept a report of a balancer of an earlier release, and discard it',
    body: 'any',
    answers: { 204: { description: 'Discarded.' } },
    errors: ['invalidJson'],
  },
  listCalls: {
    method: 'GET',
    path: '/v2/fns/:fn_id/calls',
    tag: 'Functions',
    summary: 'List the asynchronous calls of a function',
    description: 'Newest first. A page may be shorter than `per_page`, or empty, although another one follows.',
    query: [
      ...CALL_FILTERS,
      {
        name: 'type',
        description: '`callback`: the callbacks that follow the calls of the function, in place of its calls.',
        schema: { type: 'string', enum: ['async', 'callback'] },
      },
    ],
    answers: { 200: json('CallList', 'A page, which may be empty.') },
    errors: ['fnNotFound', ...CALL_FILTER_ERRORS],
  },
  getCall: {
    method: 'GET',
    path: '/v2/fns/:fn_id/calls/:call_id',
    tag: 'Functions',
    summary: 'Read an asynchronous call, with its result',
    answers: { 200: json('Call', 'Its current state.') },
    errors: ['fnNotFound', 'callNotFound', ...QUEUE_ERRORS],
  },
  cancelCall: {
    method: 'DELETE',
    path: '/v2/fns/:fn_id/calls/:call_id',
    tag: 'Functions',
    summary: 'Cancel an asynchronous call',
    description: 'A call that runs may still end by itself, but counts as cancelled and is not run again.',
    answers: { 204: { description: 'It is cancelled.' } },
    errors: ['callNotFound', 'callEnded', ...QUEUE_ERRORS],
  },
  redriveCalls: {
    method: 'POST',
    path: '/v2/fns/:fn_id/dead/redrive',
    tag: 'Functions',
    summary: 'Run dead letters of a function again',
    description: 'They are queued as if they had not failed. Their attempts are counted on.',
    body: 'DeadLetters',
    answers: { 200: json('ChangedCalls', 'How many there were.') },
    errors: ['fnNotFound', 'callNotFound', 'invalidJson', ...QUEUE_ERRORS],
  },
  purgeCalls: {
    method: 'POST',
    path: '/v2/fns/:fn_id/dead/purge',
    tag: 'Functions',
    summary: 'Remove dead letters of a function',
    description: 'The function may have been deleted.',
    body: 'DeadLetters',
    answers: { 200: json('ChangedCalls', 'How many there were.') },
    errors: ['callNotFound', 'invalidJson', ...QUEUE_ERRORS],
  },
  listAllCalls: {
    method: 'GET',
    path: '/v2/calls',
    tag: 'Functions',
    summary: 'List the asynchronous calls of all functions',
    description:
      'Newest first, those of deleted functions and callbacks included. Otherwise as `GET /v2/fns/{fn_id}/calls`.',
    query: [
      ...CALL_FILTERS,
      {
        name: 'type',
        description: '`async`: only calls. `callback`: only callbacks.',
        schema: { type: 'string', enum: ['async', 'callback'] },
      },
    ],
    answers: { 200: json('CallList', 'A page, which may be empty.') },
    errors: CALL_FILTER_ERRORS,
  },
  findCall: {
    method: 'GET',
    path: '/v2/calls/:call_id',
    tag: 'Functions',
    summary: 'Read an asynchronous call of any function, with its result',
    description: 'A dead letter has its request.',
    answers: { 200: json('Call', 'Its current state.') },
    errors: ['callNotFound', ...QUEUE_ERRORS],
  },
  getCallbackKeys: {
    method: 'GET',
    path: '/v2/fns/:fn_id/callbacks/keys',
    tag: 'Functions',
    summary: 'Read the keys that sign the callbacks of a function',
    description: 'For those who receive them. One for each secret of `FN_CALLBACK_SECRET`, the newest first.',
    answers: { 200: json('CallbackKeys', 'The keys, as verifiers of Standard Webhooks take them.') },
    errors: ['fnNotFound'],
  },
  getCallLog: {
    method: 'GET',
    path: '/v2/fns/:fn_id/calls/:call_id/log',
    tag: 'Functions',
    summary: 'Read what the function has printed in an asynchronous call',
    description:
      'The first bytes of its output in the last attempt that reported any; empty if there is none. With `Accept: text/plain` as text. The function may have been deleted. `fnfleet logs` shows the output of all calls while they run.',
    answers: { 200: { ...json('CallLog', 'What it has printed so far.'), orText: true } },
    errors: ['callLogNotFound', 'logTypeUnacceptable', ...QUEUE_ERRORS],
  },
} as const satisfies Record<string, Operation>;

export type ApiOperationId = keyof typeof API_OPERATIONS;

const CALL_HEADERS: readonly Parameter[] = [
  {
    name: 'Fn-Explain',
    description: '`1` adds a header that says where the time of the call went.',
    schema: { type: 'string', enum: ['1'] },
  },
];
const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  description: 'Of an asynchronous call: another one with this key within a day takes the place of this one.',
  schema: { type: 'string', maxLength: 256 },
};
const FUNCTION_BODY = { type: '*/*', schema: 'text' } as const;

function triggered(method: Operation['method'], path: string): Operation {
  return {
    method,
    path,
    tag: 'Calls',
    summary: `Call the function of a trigger with ${method}`,
    description:
      'The function receives method, path, query, headers and body, and its status and headers are those of the response.',
    headers: [
      {
        name: 'Fn-Invoke-Type',
        description:
          '`async`: answer 202 when the call is in the queue, on disk, as for `/invoke/{fn_id}`. The annotation `fnfleet/invoke-type` of the trigger takes precedence.',
        schema: { type: 'string' },
      },
      IDEMPOTENCY_KEY,
      ...CALL_HEADERS,
    ],
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: 'any' }),
    answers: {
      default: {
        description:
          'What the function answers, with any status. An error of the fleet is JSON as for `/invoke/{fn_id}`, with 404 for an unknown app or trigger.',
        ...(method === 'HEAD' ? {} : { body: FUNCTION_BODY }),
        headers: ['Fn-Call-Id'],
      },
    },
    errors: [],
  };
}

function inCamelCase(method: string): string {
  return method.slice(0, 1) + method.slice(1).toLowerCase();
}

const TRIGGER_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const;

/** The routes of balancers and full nodes that take calls. */
export const CALL_OPERATIONS: Readonly<Record<string, Operation>> = {
  invokeFn: {
    method: 'POST',
    path: '/invoke/:fn_id',
    tag: 'Calls',
    summary: 'Call a function',
    headers: [
      {
        name: 'Fn-Invoke-Type',
        description:
          '`detached`: answer 202 when the call has started. `async`: answer 202 when the call is in the queue, on disk.',
        schema: { type: 'string', enum: ['sync', 'detached', 'async'], default: 'sync' },
      },
      IDEMPOTENCY_KEY,
      ...CALL_HEADERS,
    ],
    body: 'any',
    answers: {
      200: { description: 'What the function answers.', body: FUNCTION_BODY, headers: ['Fn-Call-Id'] },
      202: {
        description:
          'A detached call has started, without a body; or an asynchronous call is on disk, with `Location`, and with its id as JSON.',
        body: { type: 'application/json', schema: 'AcceptedCall' },
        headers: ['Fn-Call-Id'],
      },
    },
    errors: [
      ...([
        'fnNotFound',
        'asyncUnsupported',
        'queueUnavailable',
        'queueFull',
        'queueShareFull',
        'queueOverloaded',
      ] as const),
      'queueMessageTooBig',
      ...CALL_ERROR_CODES,
    ],
  },
  ...Object.fromEntries(
    TRIGGER_METHODS.flatMap((method) => [
      [`callRootTrigger${inCamelCase(method)}`, triggered(method, '/t/:app_name')],
      [`callTrigger${inCamelCase(method)}`, triggered(method, '/t/:app_name/*trigger_source')],
    ]),
  ),
};
