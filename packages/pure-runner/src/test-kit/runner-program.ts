import { agentSettings, newAgent } from '@fnfleet/agent';
import { MIB, readSettings, silentLogger, systemClock } from '@fnfleet/core';
import { fn, ScriptedDriver } from '@fnfleet/drivers';
import { fixedIdentity, issueCertificate, newAuthority, parseAltName } from '@fnfleet/tls';
import { FunctionLogs } from '../logs/function-logs.js';
import { newPureRunner } from '../pure-runner.js';
import type { Holdings, RunnerProcessOptions } from './runner-process.js';

/** Started by `runner-process.ts`: a runner alone in a process, so that its holdings can be counted. */

const BIG_ANSWER = Buffer.alloc(10 * MIB, 'x');

const functions = {
  echo: fn(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    response.end(Buffer.concat(parts));
  }),
  big: fn((request, response) => request.resume().once('end', () => response.end(BIG_ANSWER))),
  held: fn((request) => void request.resume()),
  stuck: fn(() => undefined),
};

async function main({ keepaliveTimeoutMs, maxStreams, tls }: RunnerProcessOptions): Promise<void> {
  const driver = new ScriptedDriver({ functions });
  const agent = newAgent({
    driver,
    settings: readSettings(agentSettings, { FN_ENABLE_NB_RESOURCE_TRACKER: '1' }),
    totals: { memoryBytes: 4096 * MIB, cpuMillis: 16_000 },
  });
  const authority = newAuthority({ commonName: 'CA', days: 1, nowMs: systemClock.wallNow() });
  const altNames = [parseAltName('127.0.0.1')];
  const own = {
    ...issueCertificate(authority, { commonName: 'runner', altNames, days: 1, nowMs: systemClock.wallNow() }),
  };
  const material = { ...own, ca: authority.cert };
  const runner = newPureRunner({
    agent,
    listen: '127.0.0.1:0',
    balancerKeepaliveTimeoutMs: keepaliveTimeoutMs,
    maxStreams,
    logs: new FunctionLogs({ logBufferBytes: MIB, maxLogCollectors: 64 }),
    tls: tls ? { identity: fixedIdentity(material), logger: silentLogger } : undefined,
  });
  await runner.ready;

  const errors: string[] = [];
  process.on('uncaughtException', (error) => errors.push(String(error.stack)));
  process.on('message', () => process.send?.(holdings()));
  process.on('disconnect', () => process.exit());
  process.send?.({ port: runner.address.port, material });

  function holdings(): Holdings {
    global.gc?.();
    const kinds = process.getActiveResourcesInfo();
    const { heapUsed, external } = process.memoryUsage();
    return {
      sockets: kinds.filter((kind) => kind === 'TCPSocketWrap').length,
      timers: kinds.filter((kind) => kind === 'Timeout').length,
      engagements: runner.load.active,
      memoryBytes: heapUsed + external,
      errors,
    };
  }
}

void main(JSON.parse(process.argv[2] ?? '{}') as RunnerProcessOptions);
