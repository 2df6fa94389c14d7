import { CALL_ERROR_CODES } from '@fnfleet/core';
import type { Operation, Parameter } from './operation.js';

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
