import { CancelledError, type Clock, FnError, SettingsError } from '@fnfleet/core';
import { Pool } from 'undici';

const RETRIES = 5;
const RETRY_BASE_MS = 25;
const RETRY_STEP_MS = 50;
/** One try; all tries together are bounded by whoever asks. */
const ANSWER_TIMEOUT_MS = 10_000;
const CONNECTIONS = 128;

export interface ApiClientOptions {
  readonly clock: Clock;
  readonly random?: () => number;
  /** Shown as `Authorization: Bearer`. */
  readonly token?: string;
}

/** Reads from the api node, patiently. */
export class ApiClient {
  private readonly pool: Pool;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly headers: Readonly<Record<string, string>>;

  /** @throws SettingsError when the URL names no host */
  constructor(url: string, options: ApiClientOptions) {
    this.pool = new Pool(apiOrigin(url), {
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
  async read(path: string, signal: AbortSignal): Promise<string | undefined> {
    for (let retry = 0; ; retry += 1) {
      const result = await this.tryOnce(path, signal);
      if (signal.aborted) throw signal.reason;
      if (typeof result === 'string') return result;
      if (result.status === 404) return undefined;
      if (result.status < 500) throw new FnError('internal', { cause: result });
      if (retry === RETRIES) throw new FnError('lookupUnavailable', { cause: result });
      await this.clock.sleep(RETRY_BASE_MS + this.random() * (2 ** (retry + 1) - 1) * RETRY_STEP_MS, signal);
      if (signal.aborted) throw signal.reason;
    }
  }

  close(): Promise<void> {
    return this.pool.destroy(new CancelledError());
  }

  private async tryOnce(path: string, signal: AbortSignal): Promise<string | ReadFailure> {
    try {
      const { statusCode, body } = await this.pool.request({ path, method: 'GET', headers: this.headers, signal });
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

/** Only scheme and host count; the scheme is http unless given. */
function apiOrigin(text: string): string {
  const withScheme = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || url.host === '' || !/^https?:$/.test(url.protocol)) {
    throw new SettingsError([`FN_RUNNER_API_URL: no host specified for client, got ${JSON.stringify(text)}`]);
  }
  return url.origin;
}
