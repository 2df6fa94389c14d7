import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { KIB, printableLine, readSettings } from '@fnfleet/core';
import { commonSettings } from '@fnfleet/node';
import { Command } from 'commander';
import { remark } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';

/** Generous, because a busy machine answers slowly and supervisors apply a timeout of their own. Milliseconds. */
const TIMEOUT_MS = 8_000;

export function healthCommand(): Command {
  const command = new Command('health')
    .description('Checks whether the node on this machine is ready. Exits with 0, or with 1 and the reason.')
    .option('--live', 'check only that it is alive, even while it starts or drains', false)
    .option('--url <url>', 'node to check; default: the one that FN_PORT, FN_BIND_ADDRESS and FN_TLS_CERT describe')
    .action(async ({ live, url }: { live: boolean; url?: string }) => {
      const trouble = await checkHealth(url ?? ownUrl(), live ? '/healthz' : '/readyz', TIMEOUT_MS);
      if (trouble === undefined) return;
      remark(trouble);
      process.exitCode = 1;
    });
  return withExitCodes(command, {
    0: 'the node is ready, or an operator has drained it; with --live, it is alive',
    1: 'the node is not ready, or does not answer; standard error says which',
  });
}

/** The URL at which a role with this environment listens. */
function ownUrl(): string {
  const { port, bindAddress } = commonSettings;
  const settings = readSettings({ port, bindAddress }, process.env);
  const everywhere = settings.bindAddress === '0.0.0.0' || settings.bindAddress === '::';
  const host = everywhere ? '127.0.0.1' : settings.bindAddress;
  return `${process.env.FN_TLS_CERT ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${settings.port}`;
}

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
