import { FnError } from './errors/fn-error.js';

/** Header names in canonical form (`X-Foo-Bar`) with all their values in order, as a Call carries them. */
export type HeaderMap = Record<string, string[]>;

/** A header list in wire form: one entry per value. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

const CANONICAL_CACHE_LIMIT = 1000;
/** Characters of a name in an error. */
const MAX_SHOWN_NAME = 100;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Control characters except for the tab. CR and LF would start another header. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

/** Whether HTTP has headers with this name. */
export function isHeaderName(name: string): boolean {
  return TOKEN.test(name);
}

/** Whether HTTP has headers with this value, which is a text or in the form of `textToHeader`. */
export function isHeaderValue(value: string): boolean {
  return !CONTROL.test(value);
}

/** @throws FnError `badRequest` that names a header that cannot travel over HTTP */
export function checkHeaders(headers: HeaderMap): void {
  for (const [name, values] of Object.entries(headers)) {
    if (!isHeaderName(name) || !values.every(isHeaderValue)) throw headerUnsendable(name);
  }
}

export function headerUnsendable(name: string): FnError {
  const shown = JSON.stringify(name.slice(0, MAX_SHOWN_NAME));
  return new FnError('badRequest', { params: { reason: `header ${shown} cannot be sent over HTTP` } });
}

const canonicalNames = new Map<string, string>();

/** First letter of each hyphen-separated part in upper case, the rest in lower case. A name that is not a token is unchanged. */
export function canonicalHeader(name: string): string {
  const known = canonicalNames.get(name);
  if (known !== undefined) return known;
  const canonical = isHeaderName(name)
    ? name.toLowerCase().replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())
    : name;
  // Clients choose header names, so the cache must not grow with them.
  if (canonicalNames.size < CANONICAL_CACHE_LIMIT) canonicalNames.set(name, canonical);
  return canonical;
}

/**
 * Headers that belong to one connection and are never forwarded. `Te` is the exception: a value of exactly `trailers` may be
 * forwarded.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'Connection',
  'Proxy-Connection',
  'Keep-Alive',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'Te',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
]);

export function isHopByHop(canonicalName: string, value: string): boolean {
  return HOP_BY_HOP.has(canonicalName) && !(canonicalName === 'Te' && value === 'trailers');
}

/** Headers that repeat what the URL and the framing say; they are not headers of a call. */
const SAID_ELSEWHERE: ReadonlySet<string> = new Set(['Host', 'Transfer-Encoding']);

/** Converts Node's flat `rawHeaders` to the form of a call: canonical names, all values, as text; without `Host`. */
export function headersFromRaw(rawHeaders: readonly string[]): HeaderMap {
  const headers: HeaderMap = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = canonicalHeader(rawHeaders[i] as string);
    if (SAID_ELSEWHERE.has(name)) continue;
    const value = headerToText(rawHeaders[i + 1] as string);
    const values = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (values) values.push(value);
    else headers[name] = [value];
  }
  return headers;
}

/** Decodes a header value from Node, which has one character per byte, as UTF-8. */
export function headerToText(value: string): string {
  return isAscii(value) ? value : Buffer.from(value, 'latin1').toString('utf8');
}

/** The reverse: encodes a text so that Node sends its UTF-8 bytes. */
export function textToHeader(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
