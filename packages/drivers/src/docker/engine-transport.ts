import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CancelledError, type Clock, observe } from '@fnfleet/core';
import { untilAborted } from '../waiting.js';
import type { EngineAddress } from './engine-address.js';
import { readUpTo, readWhole } from './engine-answers.js';
import { EngineError, EngineNonsenseError, EngineTimeoutError } from './engine-errors.js';

/**
 * The kind of a request, which determines its timeout.
 *
 * - `probe`   a health check
 * - `query`   reads state
 * - `change`  creates, starts or pauses a container
 * - `removal` may have to wait for a file system
 * - `open`    lasts as long as its caller wants
 */
export type CallKind = 'probe' | 'query' | 'change' | 'removal' | 'open';

/** Each request by its name in metrics, without `docker_`. */
const ENGINE_CALLS = {
  ping: 'probe',
  version: 'query',
  info: 'query',
  inspect_image: 'query',
  inspect_container: 'query',
  inspect_volume: 'query',
  list_images: 'query',
  list_containers: 'query',
  stats: 'query',
  add_event_listener: 'query',
  wait_container: 'query',
  attach_container: 'query',
  create_container: 'change',
  start_container: 'change',
  pause_container: 'change',
  unpause_container: 'change',
  remove_container: 'removal',
  remove_image: 'removal',
  pull_image: 'open',
  load_images: 'open',
  build_image: 'open',
  push_image: 'open',
} as const satisfies Record<string, CallKind>;

type EngineCall = keyof typeof ENGINE_CALLS;

/** Timeout of each kind of request, milliseconds. */
export type CallLimits = Readonly<Record<Exclude<CallKind, 'open'>, number>>;

/** Receives the outcome of each request that says something about the engine. */
export interface EngineObserver {
  /** The engine answered, possibly with an error. */
  answered(kind: CallKind): void;
  /** The engine could not be reached, or did not answer in time. */
  unanswered(kind: CallKind, error: Error): void;
}

export interface EngineOptions {
  readonly address: EngineAddress;
  readonly limits: CallLimits;
  readonly clock: Clock;
  readonly observer?: EngineObserver;
}

/** A request to the engine. */
export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Values that are not strings are sent as JSON; undefined ones are omitted. */
  readonly query?: Readonly<Record<string, unknown>>;
  /** An object is sent as JSON. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Maximum size of a JSON answer: about that of a list of ten thousand containers. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Maximum size of an error message of the engine. */
const MAX_REFUSAL_BYTES = 16 * 1024;
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Sends requests to the engine. Each has a deadline, because a daemon may accept a request and never answer it; each is measured,
 * and its outcome is reported to the observer. The size of answers is bounded.
 */
export class EngineTransport {
  private readonly inFlight = new Set<AbortController>();
  private closed = false;

  constructor(private readonly options: EngineOptions) {}

  /**
   * Runs one request until it is answered, times out or is aborted.
   * @throws EngineError with what the engine answered, EngineNonsenseError, EngineTimeoutError, CancelledError on abort and after
   *   `close`; else the network's error
   */
  async call<T>(api: EngineCall, run: (signal: AbortSignal) => Promise<T>, caller?: AbortSignal): Promise<T> {
    const kind = ENGINE_CALLS[api];
    const limitMs = kind === 'open' ? Number.POSITIVE_INFINITY : this.options.limits[kind];
    const { clock, observer } = this.options;
    const life = new AbortController();
    const cancel = () => life.abort(new CancelledError());
    if (this.closed || caller?.aborted) throw new CancelledError();
    caller?.addEventListener('abort', cancel, { once: true });
    const timer = clock.after(limitMs, () => life.abort(new EngineTimeoutError(api, limitMs)), { keepAlive: true });
    this.inFlight.add(life);
    const startedAt = clock.now();
    let status = 'ok';
    try {
      // Raced as well as aborted, in case a step ignores the abort.
      const answer = await untilAborted(run(life.signal), life.signal);
      observer?.answered(kind);
      return answer;
    } catch (cause) {
      const error = life.signal.aborted ? life.signal.reason : cause;
      status = statusOf(error);
      if (error instanceof EngineError) observer?.answered(kind);
      else if (status !== 'canceled') observer?.unanswered(kind, error);
      throw error;
    } finally {
      observe('docker_api_latency', clock.now() - startedAt, { api_name: `docker_${api}`, api_status: status });
      timer.cancel();
      caller?.removeEventListener('abort', cancel);
      this.inFlight.delete(life);
    }
  }

  /** Requests a JSON object or list. */
  look(api: EngineCall, request: EngineRequest, caller?: AbortSignal): Promise<unknown> {
    const run = async (signal: AbortSignal) => jsonIn(await this.textOf(api, request, signal), api);
    return this.call(api, run, caller);
  }

  /** Sends a request whose answer has no content. */
  async act(api: EngineCall, request: EngineRequest, caller?: AbortSignal): Promise<void> {
    await this.call(api, (signal) => this.textOf(api, request, signal), caller);
  }

  /**
   * Resolves with the response when its head has arrived.
   * @throws EngineError if its status is not a success
   */
  async open(api: EngineCall, request: EngineRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await this.send(request, signal);
    const status = response.statusCode ?? 0;
    // 304: already started or stopped.
    if (status >= 200 && (status < 300 || status === 304)) return response;
    const { text } = await readUpTo(response, MAX_REFUSAL_BYTES);
    throw new EngineError(status, refusalIn(text) || `status ${status} to ${api}`);
  }

  /** Aborts all requests in progress and refuses new ones. */
  close(): void {
    this.closed = true;
    for (const life of this.inFlight) life.abort(new CancelledError());
  }

  private async textOf(api: EngineCall, request: EngineRequest, signal: AbortSignal): Promise<string> {
    return readWhole(await this.open(api, request, signal), MAX_ANSWER_BYTES);
  }

  private send(
    { method, path, query = {}, body, headers }: EngineRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { protocol, ...connection } = this.options.address.options;
    const upload = body === undefined || body instanceof Readable ? body : Buffer.from(JSON.stringify(body));
    const options: RequestOptions = {
      ...connection,
      method,
      path: pathWith(path, query),
      headers: { ...headers, ...lengthOf(upload), ...(upload === body ? {} : { 'Content-Type': 'application/json' }) },
      // One connection per request: a connection from before a restart of the daemon would fail the next request.
      agent: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      signal,
    };
    return new Promise((resolve, reject) => {
      const request = protocol === 'https' ? httpsRequest(options) : httpRequest(options);
      request.once('response', resolve).on('error', reject);
      // An engine must not switch protocols unsolicited.
      request.once('upgrade', () => request.destroy(new EngineNonsenseError('the Docker engine switched protocols')));
      if (!(upload instanceof Readable)) return void request.end(upload);
      // Reject with this error rather than with the failure of the request that it causes.
      upload.once('error', reject);
      pipeline(upload, request).catch(reject);
    });
  }
}

function lengthOf(upload: Readable | Buffer | undefined): RequestOptions['headers'] {
  return upload instanceof Readable ? {} : { 'Content-Length': upload?.length ?? 0 };
}

function pathWith(path: string, query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

function jsonIn(text: string, api: EngineCall): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The message of the parser would quote the text.
  }
  if (typeof parsed === 'object' && parsed !== null) return parsed;
  throw new EngineNonsenseError(`the Docker engine did not answer ${api} with JSON`);
}

/** The engine answers with an object; a proxy in front of it may answer with anything. */
function refusalIn(words: string): string {
  try {
    const message = (JSON.parse(words) as { message?: unknown } | null)?.message;
    if (typeof message === 'string') return message.trim();
  } catch {
    // No JSON.
  }
  return words.trim();
}

/** The value of `api_status`. */
function statusOf(error: unknown): string {
  if (error instanceof EngineTimeoutError) return 'timeout';
  if (error instanceof CancelledError) return 'canceled';
  if (error instanceof EngineError) return String(error.status);
  return 'error';
}
