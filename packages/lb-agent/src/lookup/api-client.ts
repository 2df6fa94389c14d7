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
/** How long an api node may say nothing, in one try; all tries together are bounded by whoever asks. Milliseconds. */
const SILENCE_MS = 10_000;
/** Twice what a message to a runner holds: a function that is too large for one still gets the error that says so. */
const MAX_ANSWER_BYTES = 8 * MIB;
const CONNECTIONS = 128;

export interface ApiClientOptions {
  readonly clock: Clock;
  readonly random?: () => number;
  /** Shown as `Authorization: Bearer`. */
  readonly token?: string;
  /** Who we are to the api node, and by whose word we take it for ours. */
  readonly tls?: TlsIdentity;
  /** With `tls`: take an api node that speaks plain text. */
  readonly allowInsecure?: boolean;
}

/** Reads from the api node, patiently. */
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
   * The body of a successful answer; undefined: 404. Failures that may pass are tried again.
   * @param path goes over the wire as it is
   * @throws FnError `lookupUnavailable` when the last try failed too; FnError `internal` when the api node refuses;
   *   the signal's reason
   */
  read(path: string, signal: AbortSignal): Promise<string | undefined> {
    const leave = this.inflight.enter();
    const reading = inSpan('hybrid_client_read', activeTrace(), (trace) => this.readWithin(trace, path, signal), {
      kind: SpanKind.CLIENT,
    });
    return reading.finally(leave);
  }

  /**
   * Asks once for what only those get that may look functions up. Never rejects.
   * @param timeoutMs how long it may take
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

  /** What is on its way fails. */
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

/** @throws Error when the answer breaks off, or is longer than any that an api node gives */
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

/** Not an HTTP status, but as much a failure of the other side as a 5xx. */
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
  // Each connection is made with the certificate that is valid then.
  const createConnection: https.Agent['createConnection'] = (target) => {
    const ours = clientTlsOptions(identity, hostOf(origin), { roles: ['api', 'full'] });
    return tls.connect({ ...(target as tls.ConnectionOptions), ...ours });
  };
  return Object.assign(agent, { createConnection });
}

/** Without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/**
 * Only scheme and host count; the scheme is that of the fleet unless given.
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
      `FN_RUNNER_API_URL: ${text} is plain text, but this node has TLS (FN_TLS_CERT); write https, or set FN_ALLOW_INSECURE=1`,
    ]);
  }
  return url;
}
