import { validateHeaderName, validateHeaderValue } from 'node:http';
import { canonicalHeader, FnError, type HeaderList, isHopByHop, textToHeader } from '@fnfleet/core';

/** Status line and headers of a response, as the client receives them. */
export interface ResponseHead {
  readonly status: number;
  /** Alternating names and values, without `Content-Length`. */
  readonly headers: readonly string[];
  /** Length that the function announced; undefined if it did not. */
  readonly contentLength: number | undefined;
}

/**
 * Converts the head from a runner to the one for the client.
 * @throws FnError `functionInvalidResponse` when a header cannot travel over HTTP
 */
export type HeadMapping = (status: number, headers: HeaderList) => ResponseHead;

const PREFIX = 'Fn-Http-H-';

/** Headers that may occur only once: clients disagree about which of two values counts. */
const SINGLE_VALUED: ReadonlySet<string> = new Set([
  ...['Content-Type', 'Content-Length', 'Content-Location', 'Content-Range'],
  ...['Age', 'Date', 'Etag', 'Expires', 'Last-Modified', 'Location', 'Retry-After', 'Server'],
  'Access-Control-Allow-Origin',
]);
/** Headers that only the balancer sets. */
const RESERVED: ReadonlySet<string> = new Set(['Fn-Call-Id', 'Fn-Explain']);

/** A direct invoke passes on all headers of the function, including `Fn-Http-*`. */
export const invokeHead: HeadMapping = (status, headers) => {
  const head = new HeadBuilder();
  for (const [name, value] of headers) head.add(canonicalHeader(name), value);
  return head.build(status);
};

/**
 * A trigger passes on what the function marked for the client: its status, `Content-Type`, and each `Fn-Http-H-X` as
 * `X`. If both set a header that may occur only once, the marked one wins: the other may come from the FDK.
 */
export const triggerHead: HeadMapping = (status, headers) => {
  const head = new HeadBuilder();
  let functionStatus: number | undefined;
  for (const [rawName, value] of headers) {
    const name = canonicalHeader(rawName);
    if (name === 'Content-Type' || name === 'Content-Length') head.add(name, value);
    else if (name === 'Fn-Http-Status') functionStatus ??= statusOf(value);
    else if (name.startsWith(PREFIX) && name.length > PREFIX.length) head.add(name.slice(PREFIX.length), value, true);
  }
  return head.build(status >= 400 ? status : (functionStatus ?? 200));
};

class HeadBuilder {
  private readonly headers: string[] = [];
  private contentLength: number | undefined;
  /** Single-valued headers that the function marked. */
  private marked: string[] | undefined;

  /** @param marked whether the function marked it for the client */
  add(name: string, text: string, marked = false): void {
    if (isHopByHop(name, text) || RESERVED.has(name)) return;
    const single = SINGLE_VALUED.has(name);
    const at = single ? this.headers.indexOf(name) : -1;
    const isHere = at !== -1 || (name === 'Content-Length' && this.contentLength !== undefined);
    // The first one wins, unless another one is marked.
    if (isHere && (!marked || this.marked?.includes(name))) return;
    if (marked && single) {
      this.marked ??= [];
      this.marked.push(name);
    }
    if (name === 'Content-Length') {
      this.contentLength = lengthOf(text);
      return;
    }
    const value = textToHeader(text);
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch (error) {
      throw new FnError('functionInvalidResponse', { cause: error });
    }
    if (at === -1) this.headers.push(name, value);
    else this.headers[at + 1] = value;
  }

  build(status: number): ResponseHead {
    if (!isFinalStatus(status)) throw new FnError('functionInvalidResponse', { cause: new Error(`status ${status}`) });
    return { status, headers: this.headers, contentLength: this.contentLength };
  }
}

/** @returns undefined if it is not a length, or too large for a number */
function lengthOf(text: string): number | undefined {
  const length = /^\d+$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** @returns undefined if it is not a status, which is treated like none */
function statusOf(text: string): number | undefined {
  const status = Number(text);
  return isFinalStatus(status) ? status : undefined;
}

/** Whether a status can end a response: informational ones cannot, and a status has three digits. */
function isFinalStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 999;
}
