import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { FnError, hostOfAddress, MIB, printableLine } from '@fnfleet/core';
import { type Route, sendJson } from '@fnfleet/http';
import type { CollectorSession } from '@fnfleet/protocol';
import { clientTlsOptions } from '@fnfleet/tls';
import type { LbOperations } from './operations.js';
import { addressIn } from './operator-routes.js';

/** Time limit for the runner; shorter than that of operators for this balancer. Milliseconds. */
const TIMEOUT_MS = 4_000;
const MAX_ANSWER_BYTES = MIB;
/** Maximum characters shown of the error message of a runner. */
const MAX_SHOWN = 1000;

export interface RunnerDrainOptions {
  /** TLS identity for connections to runners. */
  readonly tls: CollectorSession['tls'];
  /** The operator token, for runners that require it. */
  readonly token: string | undefined;
}

/** Drains or undrains a runner for operators who cannot reach it themselves. */
export function runnerDrainRoutes(operations: Pick<LbOperations, 'fleet'>, options: RunnerDrainOptions): Route[] {
  return (['POST', 'DELETE'] as const).map((method) => ({
    method,
    path: '/fleet/runners/*address/drain',
    access: 'operator',
    async handle(req, res) {
      const address = addressIn(req.params);
      const runners = (await operations.fleet(0))?.runners ?? [];
      const runner = runners.find((line) => line.address === address);
      const known = runners.length === 0 ? 'none' : `${runners.length} others`;
      if (runner === undefined) throw new FnError('runnerNotInPool', { params: { address, known } });
      try {
        const port = runner.identity?.about.httpPort;
        if (port === undefined) throw new Error('it does not report an HTTP port');
        sendJson(res, 200, JSON.parse(await tell(method, address, port, options)));
      } catch (error) {
        sendJson(res, 502, { message: `cannot drain or undrain ${address}: ${(error as Error).message}` });
      }
    },
  }));
}

/** @returns its JSON answer */
async function tell(
  method: 'POST' | 'DELETE',
  address: string,
  port: number,
  { tls, token }: RunnerDrainOptions,
): Promise<string> {
  const host = hostOfAddress(address);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const target = { method, host, port, path: '/drain', headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const expected = { name: tls?.runnerName, roles: ['pure-runner'] };
    const request =
      tls === undefined
        ? http.request(target, resolve)
        : https.request({ ...target, ...clientTlsOptions(tls.identity, host, expected) }, resolve);
    request.once('error', reject).end();
  });
  const text = await textOf(answer);
  if (answer.statusCode === 200) return text;
  throw new Error(`it answers ${answer.statusCode}: ${printableLine(text.trim(), MAX_SHOWN)}`);
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`it answers with more than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
