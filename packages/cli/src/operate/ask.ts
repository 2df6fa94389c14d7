import { readJson, type Shape } from '@fnfleet/operator-api';
import { messageIn, readAnswer } from '../access/read-answer.js';
import type { Fetch, FetchOptions } from '../access/secure-fetch.js';

const TIMEOUT_MS = 5000;

/** A server answered with an error status. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }

  /** Whether the server refused the credentials. */
  get isForbidden(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * Sends a request to an HTTP port of the fleet and reads JSON.
 * @param shape of the fields that are read
 * @throws RefusedError for an error status, Error that says why there is no answer
 */
export async function ask<T>(
  fetch: Fetch,
  url: string,
  shape: Shape,
  method: FetchOptions['method'] = 'GET',
): Promise<T> {
  const answer = await readAnswer(fetch, url, { method, timeoutMs: TIMEOUT_MS }).catch((error: Error) => {
    throw new Error(`${url} does not answer: ${error.message}`, { cause: error });
  });
  if (!answer.ok) throw new RefusedError(answer.status, `${url} answers ${answer.status}: ${messageIn(answer)}`);
  const value = readJson<T>(answer.body, shape);
  if (value !== undefined) return value;
  throw new Error(`${url} is not an HTTP port of fnfleet: its answer is not the expected JSON`);
}
