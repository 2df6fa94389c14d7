import { validateHeaderName, validateHeaderValue } from 'node:http';
import { canonicalHeader, FnError, type HeaderList, isHopByHop, textToHeader } from '@fnfleet/core';

/** Status line and headers of an answer, as the client will see them. */
export interface ResponseHead {
  readonly status: number;
  /** Names and values in turn. Without `Content-Length`. */
  readonly headers: readonly string[];
  /** Bytes that the function announced; undefined: it did not. */
  readonly contentLength: number | undefined;
}

/**
 * Makes the client's head of a runner's.
 * @throws FnError `functionInvalidResponse` when a header cannot travel over HTTP
 */
export type HeadMapping = (status: number, headers: HeaderList) => ResponseHead;

const PREFIX = 'Fn-Http-H-';

/** Of these an answer has one: clients differ in which of two they believe. */
const SINGLE_VALUED: ReadonlySet<string> = new Set([
  ...['Content-Type', 'Content-Length', 'Content-Location', 'Content-Range'],
  ...['Age', 'Date', 'Etag', 'Expires', 'Last-Modified', 'Location', 'Retry-After', 'Server'],
  'Access-Control-Allow-Origin',
]);
/** Ours, in every answer that has them. */
const RESERVED: ReadonlySet<string> = new Set(['Fn-Call-Id', 'Fn-Explain']);

/** A direct invoke shows what the function sent, `Fn-Http-*` headers included. */
export const invokeHead: HeadMapping = (status, headers) => {
  const head = new HeadBuilder();
  for (const [name, value] of headers) head.add(canonicalHeader(name), value);
  return head.build(status);
};

/**
 * A trigger shows what the function said to show: its status, `Content-Type`, and each `Fn-Http-H-X` as `X`. Where both name
 * a header that has one value, the latter counts: the former may be the FDK's own.
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
  /** Those of one value that the function marked. */
  private marked: string[] | undefined;

  /** @param marked the function meant it for the client */
  add(name: string, text: string, marked = false): void {
    if (isHopByHop(name, text) || RESERVED.has(name)) return;
    const single = SINGLE_VALUED.has(name);
    const at = single ? this.headers.indexOf(name) : -1;
    const isHere = at !== -1 || (name === 'Content-Length' && this.contentLength !== undefined);
    // The first counts, but a marked one before all others.
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

/** Undefined: not a length, or one that a number does not hold exactly. */
function lengthOf(text: string): number | undefined {
  const length = /^\d+$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** Undefined: not a status, which is as good as none. */
function statusOf(text: string): number | undefined {
  const status = Number(text);
  return isFinalStatus(status) ? status : undefined;
}

/** Informational statuses cannot end an answer, and more than three digits are none. */
function isFinalStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 999;
}
