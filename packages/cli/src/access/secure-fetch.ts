import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { Readable } from 'node:stream';
import { clientTlsOptions, type ExpectedPeer, type TlsIdentity } from '@fnfleet/tls';

export interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer<ArrayBuffer>;
  readonly signal?: AbortSignal;
  /** Every `Fetch` of a command refuses redirects: they would send credentials elsewhere. */
  readonly redirect?: 'manual';
}

/** The part of `fetch` that commands need. */
export type Fetch = (url: string, options?: FetchOptions) => Promise<Response>;

/** `fetch` in plain text, without redirects. */
export const plainFetch: Fetch = (url, options) =>
  fetch(url, { ...options, redirect: 'manual' }).catch((error: Error) => {
    if (options?.signal?.aborted || error.cause === undefined) throw error;
    throw new TypeError('fetch failed', { cause: explainConnection(url, error.cause) });
  });

/** Statuses whose answers have no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * `fetch` that presents a certificate and accepts only servers signed by its CA. Plain-text URLs work as usual.
 * @param expected requirements on the certificate of the server
 */
export function secureFetch(identity: TlsIdentity, expected: ExpectedPeer = {}): Fetch {
  return async (url, options = {}) => {
    const { protocol, hostname } = new URL(url);
    if (protocol !== 'https:') return plainFetch(url, options);
    const { method = 'GET', headers, body, signal } = options;
    const host = hostname.replace(/^\[|\]$/g, '');
    const sent = request(url, {
      method,
      headers,
      signal,
      agent: false,
      ...clientTlsOptions(identity, host, expected),
    });
    sent.on('error', () => undefined); // reported below, or by the response stream
    sent.end(body);
    try {
      const [received] = (await once(sent, 'response')) as [IncomingMessage];
      return responseOf(received);
    } catch (error) {
      // In the shape of fetch errors, so that callers find the reason in one place.
      throw new TypeError('fetch failed', { cause: explainConnection(url, error) });
    }
  };
}

function responseOf(received: IncomingMessage): Response {
  const { statusCode: status = 0, statusMessage: statusText } = received;
  const headers = new Headers();
  for (const [name, values] of Object.entries(received.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  if (BODILESS.has(status)) {
    received.resume();
    return new Response(null, { status, statusText, headers });
  }
  return new Response(Readable.toWeb(received) as ReadableStream, { status, statusText, headers });
}

/** OpenSSL codes for a certificate with an unknown issuer. */
const UNKNOWN_SIGNER: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
/** Codes that result from sending plain text to a TLS port. */
const CUT_OFF: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET']);

/**
 * Adds a remedy, if one is known, to the error of a failed request: messages of OpenSSL and sockets name neither the
 * setting nor the scheme that is wrong.
 */
function explainConnection(url: string, cause: unknown): Error {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const { protocol, host } = new URL(url);
  const told = (remedy: string) => new Error(`${message || code}: ${remedy}`, { cause });
  if (UNKNOWN_SIGNER.has(code)) {
    return told(`${host} has a certificate of an unknown CA; set FN_TLS_CA=<ca.crt of the fleet>`);
  }
  if (protocol === 'http:' && CUT_OFF.has(code)) {
    return told(`if ${host} uses TLS, use https://${host} and set FN_TLS_CA to its CA`);
  }
  if (protocol === 'https:' && /wrong version number|packet length too long/i.test(message)) {
    return told(`${host} does not use TLS; use http://${host} if that is intended`);
  }
  if (/certificate required|bad certificate|unknown ca/i.test(message)) {
    return told(`${host} requires a certificate of its fleet: set FN_TLS_CERT, FN_TLS_KEY and FN_TLS_CA`);
  }
  return cause instanceof Error ? cause : new Error(String(cause));
}
