import { MIB, printableLine } from '@fnfleet/core';
import type { Fetch, FetchOptions } from './secure-fetch.js';

/** Maximum bytes of an answer; what commands ask for is far smaller. */
const MAX_ANSWER_BYTES = 32 * MIB;
/** Maximum characters shown of the error message of a server. */
const MAX_MESSAGE = 1000;

export interface Answer {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly body: string;
}

/** Why there is no answer; the message does not name the server. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/**
 * Sends a request to an untrusted server, with bounds on time and size of the answer.
 * @throws NoAnswerError
 */
export async function readAnswer(
  fetch: Fetch,
  url: string,
  { timeoutMs, ...options }: FetchOptions & { readonly timeoutMs: number },
): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { ...options, redirect: 'manual', signal });
    const { status, ok, headers } = response;
    return { status, ok, headers, body: await bodyOf(response) };
  } catch (error) {
    const why = signal.aborted
      ? `no complete answer within ${timeoutMs} ms`
      : printableLine(whyNot(error as Error), MAX_MESSAGE);
    throw new NoAnswerError(why, { cause: error });
  }
}

/** The error message of a server, on one line. */
export function messageIn({ status, body, headers }: Pick<Answer, 'status' | 'body' | 'headers'>): string {
  if (status >= 300 && status < 400) {
    return printableLine(
      `redirected to ${headers.get('location') ?? 'nowhere'}, and redirects are not followed`,
      MAX_MESSAGE,
    );
  }
  return printableLine(textIn(body), MAX_MESSAGE) || 'nothing';
}

function textIn(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Not JSON: show the body as it is.
  }
  return body.trim();
}

/** @throws Error when the body is longer than MAX_ANSWER_BYTES */
export async function bodyOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    // Leaving the loop cancels the stream.
    if (length > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function whyNot({ message, cause }: Error): string {
  return cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code || message : message;
}
