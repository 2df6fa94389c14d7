import {
  activeTrace,
  CancelledError,
  type Clock,
  clientTlsOptions,
  FnError,
  inSpan,
  SettingsError,
  SpanKind,
  type TlsIdentity,
  type TraceContext,
  traceHeaders,
} from '@fnfleet/core';
import { buildConnector, Pool } from 'undici';

const RETRIES = 5;
const RETRY_BASE_MS = 25;
const RETRY_STEP_MS = 50;
/** One try; all tries together are bounded by whoever asks. */
const ANSWER_TIMEOUT_MS = 10_000;
const CONNECTIONS = 128;
const CONNECT_TIMEOUT_MS = 10_000;

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
  private readonly pool: Pool;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly headers: Readonly<Record<string, string>>;

  /** @throws SettingsError when the URL names no host */
  constructor(url: string, options: ApiClientOptions) {
    this.pool = new Pool(apiOrigin(url, options), {
      connect: options.tls && secureConnector(options.tls),
      connections: CONNECTIONS,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
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
    return inSpan('hybrid_client_read', activeTrace(), (trace) => this.readWithin(trace, path, signal), {
      kind: SpanKind.CLIENT,
    });
  }

  close(): Promise<void> {
    return this.pool.destroy(new CancelledError());
  }

  private async readWithin(trace: TraceContext, path: string, signal: AbortSignal): Promise<string | undefined> {
    const headers = { ...this.headers, ...traceHeaders(trace) };
    for (let retry = 0; ; retry += 1) {
      const result = await this.tryOnce(path, headers, signal);
      if (signal.aborted) throw signal.reason;
      if (typeof result === 'string') return result;
      if (result.status === 404) return undefined;
      if (result.status < 500) throw new FnError('internal', { cause: result });
      if (retry === RETRIES) throw new FnError('lookupUnavailable', { cause: result });
      await this.clock.sleep(RETRY_BASE_MS + this.random() * (2 ** (retry + 1) - 1) * RETRY_STEP_MS, signal);
      if (signal.aborted) throw signal.reason;
    }
  }

  private async tryOnce(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<string | ReadFailure> {
    try {
      const { statusCode, body } = await this.pool.request({ path, method: 'GET', headers, signal });
      const text = await body.text();
      return statusCode < 300 ? text : new ReadFailure(statusCode, `GET ${path}: ${statusCode} ${text.trim()}`);
    } catch (error) {
      return new ReadFailure(TRANSPORT_FAILED, `GET ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
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

/** Each connection is made with the certificate that is valid then. */
function secureConnector(identity: TlsIdentity): buildConnector.connector {
  return (target, callback) =>
    buildConnector({ ...clientTlsOptions(identity, target.hostname), allowH2: false, timeout: CONNECT_TIMEOUT_MS })(
      target,
      callback,
    );
}

/** Only scheme and host count; the scheme is that of the fleet unless given. */
function apiOrigin(text: string, { tls, allowInsecure = false }: ApiClientOptions): string {
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
  return url.origin;
}
