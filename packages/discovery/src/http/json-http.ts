import http from 'node:http';
import https from 'node:https';
import { type Clock, readSmallFile } from '@fnfleet/core';

export interface JsonRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: object;
  /** For https: PEM files, read for each request because they are renewed while a process runs. */
  readonly tls?: TlsFiles;
}

export interface TlsFiles {
  /** Trusted authorities; default: those known to Node. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface RequestLimits {
  readonly clock: Clock;
  /** Until the response is complete, or until a stream begins. Milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The server answered with a status other than 2xx. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  constructor(
    readonly status: number,
    readonly said: string,
    url: string,
  ) {
    super(`${new URL(url).origin} answers ${status}: ${said}`);
  }
}

const MAX_ANSWER_CHARS = 16 * 1024 * 1024;

/**
 * One request with a JSON response.
 * @throws HttpFailure, or Error that names the server
 */
export async function requestJson(request: JsonRequest, limits: RequestLimits): Promise<unknown> {
  return withinTime(request, limits, async (signal) => {
    const answer = await send(request, signal);
    return parse(await textOf(answer), request.url);
  });
}

/**
 * The values of a response with one JSON value per line, until the server ends it or the caller stops reading.
 * @throws the same as `requestJson`, also in the middle of the response
 */
export async function* streamJson(request: JsonRequest, limits: RequestLimits): AsyncGenerator<unknown, void> {
  const answer = await withinTime(request, limits, (signal) => send(request, signal));
  let rest = '';
  try {
    for await (const chunk of answer) {
      rest += chunk;
      if (rest.length > MAX_ANSWER_CHARS) throw new Error('a line is too long');
      // Only at the end of a line: parsing a long line again with each chunk would take quadratic time.
      if (!chunk.includes('\n')) continue;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield parse(line, request.url);
    }
  } catch (error) {
    throw explained(error, request.url, limits.signal);
  } finally {
    answer.destroy();
  }
}

/** The response, once it has begun with 2xx. Its text is UTF-8. */
async function send(request: JsonRequest, signal: AbortSignal): Promise<http.IncomingMessage> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const secure = request.url.startsWith('https:');
  const options = {
    method: request.method,
    headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }), ...request.headers },
    // A connection of its own: no earlier request can have broken it, and the host name is resolved again.
    agent: false,
    signal,
    ...(secure ? await contents(request.tls ?? {}) : {}),
  };
  const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const sent = (secure ? https : http).request(request.url, options, resolve);
    sent.on('error', reject);
    sent.end(body);
  });
  answer.setEncoding('utf8');
  const { statusCode = 0 } = answer;
  if (statusCode >= 200 && statusCode < 300) return answer;
  throw new HttpFailure(statusCode, messageIn(await textOf(answer)), request.url);
}

async function contents(files: TlsFiles): Promise<https.RequestOptions> {
  const read = (path: string | undefined) => (path === undefined ? undefined : readSmallFile(path));
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { ca, cert, key };
}

async function textOf(answer: http.IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer) {
    text += chunk;
    if (text.length > MAX_ANSWER_CHARS) throw new Error('the response is too long');
  }
  return text;
}

async function withinTime<T>(
  { url }: JsonRequest,
  { clock, timeoutMs, signal }: RequestLimits,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = clock.after(timeoutMs, () => late.abort(new Error(`no response within ${timeoutMs} ms`)));
  const either = AbortSignal.any([signal, late.signal]);
  try {
    return await act(either);
  } catch (error) {
    throw explained(error, url, either);
  } finally {
    timer.cancel();
  }
}

/** Adds the name of the server, and replaces an abort by its reason. */
function explained(error: unknown, url: string, signal: AbortSignal): Error {
  if (error instanceof HttpFailure) return error;
  const cause = (signal.aborted ? signal.reason : error) as NodeJS.ErrnoException;
  const { origin } = new URL(url);
  // A connection that was refused at several addresses has no message of its own.
  const text = cause.message || cause.code || String(cause);
  return new Error(text.startsWith(origin) ? text : `${origin}: ${text}`, { cause });
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${new URL(url).origin} did not return JSON: ${shortened(text)}`);
  }
}

/** Both etcd and Kubernetes have their message there. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Something else answers at this address.
  }
  return shortened(text);
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
