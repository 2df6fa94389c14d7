import { readJson, type Shape } from '../access/json-shape.js';
import { messageIn, readAnswer } from '../access/read-answer.js';
import type { Fetch, FetchOptions } from '../access/secure-fetch.js';

const TIMEOUT_MS = 5000;

/** Somebody answered, and it was no. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }

  /** Whoever asked may not. */
  get isForbidden(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * Asks an HTTP port of the fleet for JSON.
 * @param shape of what is read of the answer
 * @throws RefusedError what it answered, Error that says why there is no answer
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
  throw new Error(`${url} is not an HTTP port of fnfleet: it does not answer with the JSON of one`);
}
