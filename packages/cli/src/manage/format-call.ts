import { printableLine } from '@fnfleet/core';
import type { CallLine, CallRef } from '../api-client.js';
import { textTable } from '../terminal/output.js';

/** The words of the API for the states of an asynchronous call. */
export const CALL_STATUSES = ['delayed', 'queued', 'running', 'success', 'error', 'cancelled'] as const;
/** Maximum characters shown of an error, a name or an address. */
const MAX_SHOWN = 1_000;
/** How an API node writes a time that has not come. */
const NEVER = '0001-01-01T00:00:00.000Z';

/** A table of asynchronous calls. @param fnName of each function; without it, the table has no such column */
export function callTable(calls: readonly CallLine[], fnName?: (fnId: string) => string): string[] {
  if (calls.length === 0) return ['no calls'];
  const function_ = (text: string) => (fnName === undefined ? [] : [text]);
  return textTable(
    [
      ['CALL', ...function_('FUNCTION'), 'STATUS', 'ATTEMPTS', 'ACCEPTED', 'ENDED', 'ERROR'],
      ...calls.map(({ id, fn_id, type, status, attempts, created_at, completed_at, error }) => [
        ...[
          id,
          ...function_(`${fnName?.(fn_id) ?? ''}${type === 'callback' ? ' (callback)' : ''}`),
          status,
          `${attempts}`,
        ],
        ...[time(created_at), time(completed_at), error ?? ''],
      ]),
    ],
    new Set([fnName === undefined ? 2 : 3]),
  );
}

/** All that is known of an asynchronous call. @param fnName name of its function, or its id */
export function callInFull(call: CallRef, fnName: string): string[] {
  const { id, priority, attempts: started, created_at, completed_at, next_attempt_at: next } = call;
  const { history, result, request, callbacks = [] } = call;
  const attempts = textTable([
    ['ATTEMPT', 'STARTED', 'ENDED', 'END', 'BALANCER', 'ERROR'],
    ...history.map(({ attempt, started_at, ended_at, end, balancer, error: why }) => [
      ...[`${attempt}`, time(started_at), time(ended_at), end, balancer, why ?? ''],
    ]),
  ]);
  const field = (name: string, text: string) => `${name}:`.padEnd(10) + printableLine(text, MAX_SHOWN);
  return [
    field('call', id),
    field('function', fnName),
    field('status', inWords(call)),
    ...(priority === undefined ? [] : [field('priority', `${priority}`)]),
    field('attempts', [`${started}`, ...failuresOf(call)].join(', ')),
    field('accepted', time(created_at)),
    ...(next === undefined ? [] : [field('next', time(next))]),
    ...(time(completed_at) === '-' ? [] : [field('ended', time(completed_at))]),
    ...callbacks.map((callback) => field('callback', `${callback.id} ${inWords(callback)}`)),
    ...(history.length === 0 ? [] : ['', ...attempts]),
    ...(request === undefined ? [] : ['', field('request', `${request.method} ${request.url}`), ...content(request)]),
    ...(result === undefined ? [] : ['', field('result', statusOf(result)), ...content(result)]),
  ];
}

function failuresOf({ failures }: CallRef): string[] {
  if (failures === undefined) return [];
  return [failures === 1 ? '1 failure' : `${failures} failures`];
}

/** The status of a call, with the reason if it has failed. Not longer than a line of an error. */
export function inWords({ status, error }: Pick<CallLine, 'status' | 'error'>): string {
  return printableLine(error === undefined ? status : `${status}: ${error}`, MAX_SHOWN);
}

function statusOf({ status }: NonNullable<CallRef['result']>): string {
  return status === 0 ? 'its status is not known' : `status ${status}`;
}

type Content = Pick<NonNullable<CallRef['result']>, 'encoding' | 'body' | 'size'>;

/** The bytes that are known of a body. */
export function bytesOf({ encoding, body }: Content): Buffer {
  return Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8');
}

/** Indented, so that no line of a body looks like one of ours. */
function content(of: Content): string[] {
  const { encoding, body, size } = of;
  const known = bytesOf(of).length;
  const note = known < size ? [`(the first ${known} of ${size} bytes)`] : [];
  if (encoding === 'base64') return [`(${size} bytes that are not text; --json shows them in base64)`];
  const lines = body === '' ? [] : body.replace(/\n$/, '').split('\n');
  return [...note, ...lines.map((line) => `  ${line}`)];
}

function time(text: string): string {
  return text === NEVER ? '-' : text;
}
