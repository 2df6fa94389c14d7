import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { type Clock, KIB } from '@fnfleet/core';
import type { HostAddress } from './callback-hosts.js';

/** What is read of the head of a response, and of its body. */
const MAX_HEAD_BYTES = 16 * KIB;
const MAX_BODY_BYTES = 16 * KIB;
/** How long the body of a response is read, so that the receiver can end it; its content has no effect. Milliseconds. */
const BODY_MS = 1_000;

export interface CallbackRequest {
  readonly url: URL;
  /** Those that were checked. The name is not looked up again. */
  readonly addresses: readonly HostAddress[];
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
  /** Of a receiver with a certificate that no public authority has signed; for tests. */
  readonly ca?: string | undefined;
}

export interface CallbackAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/**
 * Sends one POST request over a connection of its own. Redirects are not followed, and of the response only the head counts.
 * @param signal aborts it, also when its time is over
 * @throws Error if there is no response
 */
export function postCallback(
  { url, addresses, headers, body, ca }: CallbackRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<CallbackAnswer> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? tlsRequest : plainRequest)(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Length': body.length, Connection: 'close' },
      // No agent: nothing is kept, and no proxy of the environment takes the place of the address that was checked.
      agent: false,
      lookup: fixed(addresses),
      maxHeaderSize: MAX_HEAD_BYTES,
      // Whatever the environment says.
      rejectUnauthorized: true,
      ca,
      signal,
    });
    request.once('response', (response: IncomingMessage) => {
      const { statusCode = 0, headers: given } = response;
      const answer = { status: statusCode, retryAfter: given['retry-after'] };
      drained(response, clock).then(() => {
        request.destroy();
        resolve(answer);
      });
    });
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      resolve({ status: 101, retryAfter: undefined });
    });
    // Errors after a response have no effect: the promise is settled.
    request.on('error', reject);
    request.end(body);
  });
}

/** Reads a bounded part of the body. Never rejects. */
function drained(response: IncomingMessage, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const done = () => {
      timer.cancel();
      resolve();
    };
    const timer = clock.after(BODY_MS, done, { keepAlive: true });
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) done();
    });
    response.once('close', done);
    response.on('error', done);
  });
}

/** Answers with the addresses that were checked, whatever the name is. */
function fixed(addresses: readonly HostAddress[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family);
  };
}
