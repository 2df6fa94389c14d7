import { within } from '@fnfleet/testing';
import { type Dispatcher, request as undiciRequest } from 'undici';

/**
 * Below the limits of tests, and above what a node lets a call or an operator wait. It is a limit for the head of the
 * response, and for each pause in its body.
 */
const RESPONSE_MS = 60_000;

type RequestOptions = NonNullable<Parameters<typeof undiciRequest<null>>[1]>;

/** `request` of undici. @throws Error with the URL and what the nodes wrote last, when no response begins in time */
export function request(url: string, options: RequestOptions = {}): Promise<Dispatcher.ResponseData> {
  const limits = { headersTimeout: 2 * RESPONSE_MS, bodyTimeout: RESPONSE_MS };
  const work = undiciRequest(url, { ...limits, ...options });
  return within(RESPONSE_MS, `a response to ${options.method ?? 'GET'} ${url}`, work);
}

/** `fetch`. @throws Error with the URL and what the nodes wrote last, when no response begins in time */
export function fetch(url: string, init: RequestInit = {}): Promise<Response> {
  const limit = AbortSignal.timeout(2 * RESPONSE_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
  return within(
    RESPONSE_MS,
    `a response to ${init.method ?? 'GET'} ${url}`,
    globalThis.fetch(url, { ...init, signal }),
  );
}
