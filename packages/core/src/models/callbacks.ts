import type { Annotations } from './call.js';

/** Where the outcome of each asynchronous call of a function goes. Set by the owner of the function, never by a caller. */
export const CALLBACKS_ANNOTATION = 'fnfleet/callbacks';

/** Receives an outcome. */
export type CallbackTarget =
  | { readonly kind: 'url'; readonly url: string }
  /** Another function, which is called asynchronously. */
  | { readonly kind: 'fn'; readonly fnId: string };

export interface Callbacks {
  readonly onSuccess: CallbackTarget | undefined;
  /** Of a call that became a dead letter. A cancelled call has no outcome. */
  readonly onFailure: CallbackTarget | undefined;
}

const FIELDS = { on_success: 'onSuccess', on_failure: 'onFailure' } as const;
const NONE: Callbacks = { onSuccess: undefined, onFailure: undefined };
const FN_ID = /^[\w-]{1,255}$/;
/** The lowest port that needs no privileges. */
const FIRST_FREE_PORT = 1_024;

/** The callbacks of a function; none if a value that bypassed the API is invalid. */
export function callbacksOf(annotations: Annotations): Callbacks {
  const value = annotations[CALLBACKS_ANNOTATION];
  if (value === undefined || problemOfCallbacks(value) !== undefined) return NONE;
  const given = value as Readonly<Record<string, { readonly url?: string; readonly fn_id?: string }>>;
  return { onSuccess: targetOf(given.on_success), onFailure: targetOf(given.on_failure) };
}

function targetOf(given: { readonly url?: string; readonly fn_id?: string } | undefined): CallbackTarget | undefined {
  if (given?.url !== undefined) return { kind: 'url', url: given.url };
  return given?.fn_id === undefined ? undefined : { kind: 'fn', fnId: given.fn_id };
}

/** What is wrong with a value of the annotation; undefined if nothing is. The size of annotations bounds that of its texts. */
export function problemOfCallbacks(value: unknown): string | undefined {
  if (!isObject(value)) return 'it should be an object with on_success, on_failure or both';
  const names = Object.keys(value);
  const unknown = names.find((name) => !Object.hasOwn(FIELDS, name));
  if (unknown !== undefined) return `there is no ${JSON.stringify(unknown)}, only on_success and on_failure`;
  if (names.length === 0) return 'on_success or on_failure is missing';
  for (const name of names) {
    const problem = problemOfTarget(value[name]);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return undefined;
}

function problemOfTarget(target: unknown): string | undefined {
  if (!isObject(target) || Object.keys(target).length !== 1) return 'it should have either url or fn_id';
  const { url, fn_id: fnId } = target;
  if (typeof url === 'string') return problemOfUrl(url);
  if (typeof fnId === 'string') return FN_ID.test(fnId) ? undefined : 'fn_id is not the id of a function';
  return 'it should have either url or fn_id';
}

/** What is wrong with the URL of a callback by itself. Which hosts are allowed is a setting of the nodes that deliver. */
export function problemOfUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return 'url is not an absolute URL';
  const { protocol, hostname, username, password, hash, port } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return 'url should begin with https://';
  if (hostname === '') return 'url has no host';
  // They would be shown to everybody who may read the function, and logged.
  if (username !== '' || password !== '') return 'url must not contain a user or a password';
  if (hash !== '') return 'url must not contain a fragment';
  const isUsual = port === '' || port === '80' || port === '443' || Number(port) >= FIRST_FREE_PORT;
  return isUsual ? undefined : 'the port of url should be 80, 443, or 1024 or more';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
