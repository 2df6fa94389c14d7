import type { ErrorCode } from '@fnfleet/core';
import { json, type Operation, PAGING, type Parameter, STORE_ERRORS } from './operation.js';

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

/** The routes of the queue of asynchronous calls: those of balancers, and those of operators. */
export const QUEUE_OPERATIONS = {
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
