import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { KIB, printableLine } from '@fnfleet/core';

/** Of an answer; that of a node is a few words. */
const MAX_BYTES = 64 * KIB;
/** Characters of it that are shown. */
const MAX_SHOWN = 1000;

/**
 * Asks a node how it is. The answer names no secret and is given to anybody, so it does not matter who gives it: the
 * certificate is not looked at. A node that an operator has suspended is well.
 * @returns what is wrong, for people; undefined: nothing
 */
export async function checkHealth(
  url: string,
  path: '/healthz' | '/readyz',
  timeoutMs: number,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await answerOf(new URL(path, url), signal);
    const said = (await beginningOf(response)).trim();
    if (response.statusCode === 200 || statusIn(said) === 'suspended') return undefined;
    return `${url}${path} answers ${response.statusCode}: ${printableLine(said, MAX_SHOWN)}`;
  } catch (error) {
    return `${url}${path} does not answer: ${signal.aborted ? `nothing for ${timeoutMs} ms` : printableLine((error as Error).message, MAX_SHOWN)}`;
  }
}

async function beginningOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response) {
    parts.push(part);
    length += part.length;
    if (length > MAX_BYTES) break;
  }
  return Buffer.concat(parts).toString();
}

/** Of the answer of `/readyz`. */
function statusIn(body: string): unknown {
  try {
    return JSON.parse(body).status;
  } catch {
    return undefined;
  }
}

function answerOf(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const options = { agent: false, signal } as const;
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === 'https:'
        ? getHttps(url, { ...options, rejectUnauthorized: false }, resolve)
        : getHttp(url, options, resolve);
    request.once('error', reject);
  });
}
