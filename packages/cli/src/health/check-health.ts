import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { KIB, printableLine } from '@fnfleet/core';

/** Maximum bytes of an answer; that of a node is a few words. */
const MAX_BYTES = 64 * KIB;
/** Maximum characters of an answer that are shown. */
const MAX_SHOWN = 1000;

/**
 * Queries the health of a node. The answer is public, so the certificate of the node is not verified. A node that an
 * operator has drained counts as healthy.
 * @returns a human-readable problem; undefined if there is none
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
    return `${url}${path} does not answer: ${signal.aborted ? `no answer within ${timeoutMs} ms` : printableLine((error as Error).message, MAX_SHOWN)}`;
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

/** The state in an answer of `/readyz`. */
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
