import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { request } from './requests.js';

/** What a function gets to hear, and how. Knobs are the probe's; see its README. */
export interface Invocation {
  readonly knobs?: object;
  /** Instead of knobs in the body; then knobs travel in the header `Probe`. */
  readonly body?: Dispatcher.DispatchOptions['body'];
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Over connections of one's own. */
  readonly dispatcher?: Dispatcher;
  /** Closes the connection after the answer. */
  readonly reset?: boolean;
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a probe without knobs for its answer tells about itself. */
export interface ProbeReport {
  readonly instance: string;
  readonly hostname: string;
  readonly request: number;
  readonly call: { readonly method: string; readonly path: string; readonly headers: readonly string[] };
}

/** Calls a function and takes the whole answer. */
export async function invoke(url: string, invocation: Invocation = {}): Promise<Answer> {
  const { statusCode, headers, body } = await send(url, invocation);
  return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
}

/** Calls a function; the answer is the caller's to read. */
export function send(url: string, { knobs, body, ...rest }: Invocation = {}): Promise<Dispatcher.ResponseData> {
  const inHeader = body !== undefined && knobs !== undefined;
  return request(url, {
    method: rest.method ?? 'POST',
    headers: { ...(inHeader ? { probe: JSON.stringify(knobs) } : {}), ...rest.headers },
    body: body ?? (knobs === undefined ? null : JSON.stringify(knobs)),
    signal: rest.signal,
    dispatcher: rest.dispatcher,
    reset: rest.reset,
  });
}

export function reportOf(answer: Answer): ProbeReport {
  if (answer.status !== 200) throw new Error(`no report: status ${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body.toString());
}

/** Status and message of an answer that is an error of the fleet. */
export function errorOf({ status, body }: Answer): [number, string] {
  return [status, JSON.parse(body.toString()).message];
}
