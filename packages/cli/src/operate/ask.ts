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
 * @throws RefusedError what it answered, Error that says why there is no answer
 */
export async function ask<T>(fetch: Fetch, url: string, method: FetchOptions['method'] = 'GET'): Promise<T> {
  const { response, body } = await answerOf(fetch, url, method);
  if (!response.ok) throw new RefusedError(response.status, `${url} answers ${response.status}: ${messageIn(body)}`);
  try {
    return JSON.parse(body) as T;
  } catch {
    throw new Error(`${url} is not an HTTP port of fnfleet: it does not answer with JSON`);
  }
}

async function answerOf(fetch: Fetch, url: string, method: string) {
  try {
    const response = await fetch(url, { method, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { response, body: await response.text() };
  } catch (error) {
    throw new Error(`${url} does not answer: ${whyNot(error as Error)}`, { cause: error });
  }
}

function whyNot({ name, message, cause }: Error): string {
  if (name === 'TimeoutError') return `nothing for ${TIMEOUT_MS} ms`;
  return cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code || message : message;
}

function messageIn(body: string): string {
  try {
    return String(JSON.parse(body).message);
  } catch {
    return body.trim().slice(0, 200) || 'nothing';
  }
}
