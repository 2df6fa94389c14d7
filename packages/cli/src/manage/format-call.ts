import type { CallLine, CallRef } from '../api-client.js';
import { textTable } from '../terminal/output.js';

/** The words of the API for the states of an asynchronous call. */
export const CALL_STATUSES = ['delayed', 'queued', 'running', 'success', 'error', 'cancelled'] as const;
/** How an API node writes a time that has not come. */
const NEVER = '0001-01-01T00:00:00.000Z';

/** A table of asynchronous calls. @param fnName of each function; without it, the table has no such column */
export function callTable(calls: readonly CallLine[], fnName?: (fnId: string) => string): string[] {
  if (calls.length === 0) return ['no calls'];
  const function_ = (text: string) => (fnName === undefined ? [] : [text]);
  return textTable(
    [
      ['CALL', ...function_('FUNCTION'), 'STATUS', 'ATTEMPTS', 'ACCEPTED', 'ENDED', 'ERROR'],
      ...calls.map(({ id, fn_id, status, attempts, created_at, completed_at, error }) => [
        ...[id, ...function_(fnName?.(fn_id) ?? ''), status, `${attempts}`],
        ...[time(created_at), time(completed_at), error ?? ''],
      ]),
    ],
    new Set([fnName === undefined ? 2 : 3]),
  );
}

/** All that is known of an asynchronous call. @param fnName name of its function, or its id */
export function callInFull(call: CallRef, fnName: string): string[] {
  const { id, status, error, created_at, completed_at, history, result, request } = call;
  const attempts = textTable([
    ['ATTEMPT', 'STARTED', 'ENDED', 'END', 'BALANCER', 'ERROR'],
    ...history.map(({ attempt, started_at, ended_at, end, balancer, error: why }) => [
      ...[`${attempt}`, time(started_at), time(ended_at), end, balancer, why ?? ''],
    ]),
  ]);
  return [
    `call:     ${id}`,
    `function: ${fnName}`,
    `status:   ${status}${error === undefined ? '' : `: ${error}`}`,
    `accepted: ${time(created_at)}`,
    ...(time(completed_at) === '-' ? [] : [`ended:    ${time(completed_at)}`]),
    ...(history.length === 0 ? [] : ['', ...attempts]),
    ...(request === undefined ? [] : ['', `request:  ${request.method} ${request.url}`, ...content(request)]),
    ...(result === undefined
      ? []
      : [
          '',
          `result:   ${result.status === 0 ? 'its status is not known' : `status ${result.status}`}`,
          ...content(result),
        ]),
  ];
}

type Content = Pick<NonNullable<CallRef['result']>, 'encoding' | 'body' | 'size'>;

/** The bytes that are known of a body. */
export function bytesOf({ encoding, body }: Content): Buffer {
  return Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8');
}

function content(of: Content): string[] {
  const { encoding, body, size } = of;
  const known = bytesOf(of).length;
  const note = known < size ? [`(the first ${known} of ${size} bytes)`] : [];
  if (encoding === 'base64') return [`(${size} bytes that are not text; --json shows them in base64)`];
  return [...note, ...(body === '' ? [] : body.replace(/\n$/, '').split('\n'))];
}

function time(text: string): string {
  return text === NEVER ? '-' : text;
}
