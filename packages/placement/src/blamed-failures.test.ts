import { FakeClock } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { type CallReport, NOTHING_REPORTED, type OutboundCall } from '@fnfleet/protocol';
import {
  aCall,
  anOutboundCall,
  type ScriptedEngagement,
  type ScriptedRunner,
  startScriptedRunner,
} from '@fnfleet/testing';
import { Dispatcher } from './dispatch/dispatcher.js';
import { newGrpcRunner } from './grpc-runner.js';
import type { RunnerPool } from './runner.js';

const CALLS = 40;
const never = new AbortController().signal;

let peer: ScriptedRunner;
let pool: RunnerPool;
let dispatcher: Dispatcher;

/** One runner next to two that are never tried, so that it may be ejected. */
async function begin(script: (engagement: ScriptedEngagement) => void): Promise<void> {
  peer = await startScriptedRunner((engagement) => {
    void engagement.wholeBody.then(() => {
      const [offer] = engagement.received;
      if (offer?.kind === 'try' && JSON.parse(offer.callJson).fn_id === 'ordinary') return succeed(engagement);
      script(engagement);
    });
  });
  pool = newStaticRunnerPool([peer.address, '192.0.2.1:9190', '192.0.2.2:9190'], (address) => newGrpcRunner(address));
  dispatcher = new Dispatcher({
    pool,
    placer: { order: (_call, { candidates }) => candidates.slice(0, 1) },
    clock: new FakeClock(),
    timing: { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 1000, retryAllDelayMs: 10 },
    limits: { maxCalls: 10, maxBytes: 1000 },
    health: { probeMs: 0 },
    random: () => 0.5,
  });
}

afterEach(async () => {
  dispatcher.close();
  await pool.close();
  await peer.close();
});

const stateOf = () => dispatcher.status().runners.find(({ address }) => address === peer.address)?.state;
const place = (call: OutboundCall) => dispatcher.place(call, never);

function finish(engagement: ScriptedEngagement, report: Partial<CallReport>): void {
  engagement.send({ kind: 'finished', report: { ...NOTHING_REPORTED, ...report } });
  engagement.end();
}

function succeed(engagement: ScriptedEngagement): void {
  engagement.send({ kind: 'resultStart', status: 200, headers: [] });
  finish(engagement, { success: true });
}

const reports = (errorCode: number, errorText: string, errorUser = false) => ({
  script: (engagement: ScriptedEngagement) => finish(engagement, { errorCode, errorText, errorUser }),
});
const DETACHED = 'Detach call functions are not supported on this server';
const OCI = 'OCI runtime create failed: exec: "/app": stat /app: no such file or directory: unknown';
const tooLarge = { config: { A: 'x'.repeat(5 * 1024 * 1024) } };

it.each`
  what                                                  | does
  ${'a detached call while they are off'}               | ${reports(501, DETACHED, true)}
  ${'the same on a runner of Fn'}                       | ${reports(501, DETACHED)}
  ${'more memory than any runner has'}                  | ${reports(400, 'Requested CPU/Memory cannot be allocated', true)}
  ${'the same on a runner of Fn'}                       | ${reports(400, 'Requested CPU/Memory cannot be allocated')}
  ${'memory below the minimum, on a runner of Fn'}      | ${reports(0, 'API error (400): Minimum memory limit allowed is 6MB')}
  ${'an image that does not exist'}                     | ${reports(404, "Failed to pull image 'x': not found", true)}
  ${'the same on an older runner of Fn'}                | ${reports(502, "Failed to pull image 'x': not found")}
  ${'an invalid image name, on a runner of Fn'}         | ${reports(0, 'invalid reference format')}
  ${'an image that is being pulled'}                    | ${{ script: (e: ScriptedEngagement) => finish(e, { errorCode: 503, errorText: 'later', retryAfterSeconds: 9 }) }}
  ${'an image without a command, on a runner of Fn'}    | ${reports(0, 'API error (400): No command specified')}
  ${'a command that does not exist, on a runner of Fn'} | ${reports(0, OCI)}
  ${'a function that crashes'}                          | ${reports(502, 'error receiving function response', true)}
  ${'a slow function'}                                  | ${reports(504, 'Timed out', true)}
  ${'5 MiB of configuration'}                           | ${{ model: tooLarge }}
  ${'a call that is too large for a runner of Fn'}      | ${{ script: (e: ScriptedEngagement) => e.end(8, 'received message larger than max') }}
  ${'a deadline that expires'}                          | ${{ script: (e: ScriptedEngagement) => e.end(4, 'deadline exceeded') }}
`('$what, 40 times: the runner stays in use', async ({ does }) => {
  await begin(does.script ?? succeed);
  for (let calls = 0; calls < CALLS; calls += 1) {
    expect((await place(anOutboundCall({ model: aCall(does.model) }))).kind).toBe('failed');
  }
  expect(stateOf()).toBe('ok');
  expect(await place(anOutboundCall({ model: aCall({ fnId: 'ordinary' }) }))).toMatchObject({ kind: 'finished' });
  expect(dispatcher.fleet.inFlight).toBe(0);
});

it.each`
  what                                   | does
  ${'platform errors'}                   | ${reports(500, 'internal server error')}
  ${'an engine that is down, at Fn'}     | ${reports(0, 'Cannot connect to the Docker daemon')}
  ${'aborted streams'}                   | ${{ script: (e: ScriptedEngagement) => e.end(13, 'bug') }}
  ${'streams that end without a report'} | ${{ script: (e: ScriptedEngagement) => e.end() }}
  ${'invalid answers'}                   | ${{ script: (e: ScriptedEngagement) => e.send({ kind: 'resultStart', status: 42, headers: [] }) }}
`('$what: the runner is ejected', async ({ does }) => {
  await begin(does.script);
  for (let calls = 0; calls < 5; calls += 1) {
    expect((await place(anOutboundCall())).kind).toBe('failed');
  }
  expect(stateOf()).toBe('ejected');
});
