import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import {
  activeTrace,
  CancelledError,
  type Clock,
  FnError,
  InflightTracker,
  inSpan,
  MIB,
  SettingsError,
  SpanKind,
  type TraceContext,
  traceHeaders,
} from '@fnfleet/core';
import { clientTlsOptions, type TlsIdentity } from '@fnfleet/tls';
import type { ApiNodeStatus } from './function-source.js';

const RETRIES = 5;
const RETRY_BASE_MS = 25;
const RETRY_STEP_MS = 50;
/** Maximum time without data from an API node in one attempt, milliseconds. The caller bounds all attempts together. */
const SILENCE_MS = 10_000;
/**
 * Maximum answer: twice the size of a message to a runner, so that a function that is too large still gets a clear
 * error.
 */
const MAX_ANSWER_BYTES = 8 * MIB;
const CONNECTIONS = 128;

export interface ApiClientOptions {
  readonly clock: Clock;
  readonly random?: () => number;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** TLS identity towards the API node, with the CA that verifies it. */
  readonly tls?: TlsIdentity;
  /** With `tls`: allow an API node without TLS. */
  readonly allowInsecure?: boolean;
}

/** Reads from the API node, with retries. */
export class ApiClient {
  private readonly origin: URL;
  private readonly agent: http.Agent;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly closing = new AbortController();
  private readonly inflight = new InflightTracker();

  /** @throws SettingsError when the URL names no host */
  constructor(url: string, options: ApiClientOptions) {
    this.origin = apiOrigin(url, options);
    this.agent = newAgent(this.origin, options.tls);
    this.clock = options.clock;
    this.random = options.random ?? Math.random;
    this.headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  }

  /**
   * Reads the body of a successful answer; undefined for 404. Retries transient failures.
   * @param path sent unchanged
   * @throws FnError `lookupUnavailable` when the last attempt failed, too; FnError `internal` when the API node
   *   refuses; the reason of the signal
   */
  read(path: string, signal: AbortSignal): Promise<string | undefined> {
    const leave = this.inflight.enter();
    const reading = inSpan('hybrid_client_read', activeTrace(), (trace) => this.readWithin(trace, path, signal), {
      kind: SpanKind.CLIENT,
    });
    return reading.finally(leave);
  }

  /**
   * Checks access with a single request that requires the right to look up functions. Never rejects.
   * @param timeoutMs time limit
   */
  async status(timeoutMs: number): Promise<ApiNodeStatus> {
    const url = this.origin.origin;
    const leave = this.inflight.enter();
    const limit = new AbortController();
    const timer = this.clock.after(timeoutMs, () => limit.abort());
    const life = AbortSignal.any([limit.signal, this.closing.signal]);
    const result = await this.tryOnce('/v2/apps?per_page=1', this.headers, life);
    timer.cancel();
    leave();
    if (typeof result === 'string') return { url };
    return { url, trouble: limit.signal.aborted ? `no answer within ${timeoutMs} ms` : result.message };
  }

  /** Closes all connections; pending requests fail. */
  async close(): Promise<void> {
    this.closing.abort(new CancelledError());
    this.agent.destroy();
    await this.inflight.whenIdle();
  }

  private async readWithin(trace: TraceContext, path: string, signal: AbortSignal): Promise<string | undefined> {
    const headers = { ...this.headers, ...traceHeaders(trace) };
    const life = AbortSignal.any([signal, this.closing.signal]);
    for (let retry = 0; ; retry += 1) {
      const result = await this.tryOnce(path, headers, life);
      if (signal.aborted) throw signal.reason;
      if (typeof result === 'string') return result;
      if (result.status === 404) return undefined;
      if (result.status < 500) throw new FnError('internal', { cause: result });
      if (retry === RETRIES || life.aborted) throw new FnError('lookupUnavailable', { cause: result });
      await this.clock.sleep(RETRY_BASE_MS + this.random() * (2 ** (retry + 1) - 1) * RETRY_STEP_MS, life);
      if (signal.aborted) throw signal.reason;
    }
  }

  private async tryOnce(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<string | ReadFailure> {
    try {
      const { status, text } = await this.get(path, headers, signal);
      return status < 300 ? text : new ReadFailure(status, `GET ${path}: ${status} ${text.trim()}`);
    } catch (error) {
      return new ReadFailure(TRANSPORT_FAILED, `GET ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  private get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    const { agent } = this;
    const { protocol, port } = this.origin;
    const { request } = protocol === 'https:' ? https : http;
    const host = hostOf(this.origin);
    return new Promise((resolve, reject) => {
      const asked = request({ agent, host, port, path, headers, signal, timeout: SILENCE_MS }, (answer) => {
        readText(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), reject);
      });
      asked.on('timeout', () => asked.destroy(new Error(`no word for ${SILENCE_MS} ms`)));
      asked.on('error', reject);
      asked.end();
    });
  }
}

/** @throws Error when the answer is incomplete, or longer than the limit */
async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Pseudo-status of a transport failure, which counts like a 5xx. */
const TRANSPORT_FAILED = 599;

class ReadFailure extends Error {
  override readonly name = 'ReadFailure';

  constructor(
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

function newAgent(origin: URL, identity: TlsIdentity | undefined): http.Agent {
  const options = { keepAlive: true, maxSockets: CONNECTIONS };
  if (origin.protocol === 'http:') return new http.Agent(options);
  const agent = new https.Agent({ ...options, maxCachedSessions: 0 });
  if (identity === undefined) return agent;
  // Each new connection uses the current certificate.
  const createConnection: https.Agent['createConnection'] = (target) => {
    const ours = clientTlsOptions(identity, hostOf(origin), { roles: ['api', 'full'] });
    return tls.connect({ ...(target as tls.ConnectionOptions), ...ours });
  };
  return Object.assign(agent, { createConnection });
}

/** The host without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/**
 * Parses the URL of an API node. Only scheme and host are used; the default scheme is that of the fleet.
 * @throws SettingsError
 */
export function apiOrigin(
  text: string,
  { tls, allowInsecure = false }: { readonly tls?: unknown; readonly allowInsecure?: boolean },
): URL {
  const withScheme = text.includes('://') ? text : `${tls ? 'https' : 'http'}://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || url.host === '' || !/^https?:$/.test(url.protocol)) {
    throw new SettingsError([`FN_RUNNER_API_URL: no host specified for client, got ${JSON.stringify(text)}`]);
  }
  if (url.protocol === 'http:' && tls && !allowInsecure) {
    throw new SettingsError([
      `FN_RUNNER_API_URL: ${text} is plain text, but this node uses TLS (FN_TLS_CERT); use https, or set FN_ALLOW_INSECURE=1`,
    ]);
  }
  return url;
}
