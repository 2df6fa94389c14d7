import {
  type CallReport,
  encodeOrca,
  INSTANCE_ID_HEADER,
  LOAD_TRAILER,
  type LoadReport,
  NOTHING_REPORTED,
} from '@fnfleet/protocol';
import {
  anOutboundCall,
  FixedBody,
  type ScriptedEngagement,
  type ScriptedRunner,
  startScriptedRunner,
  TEST_LINK,
} from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

const never = new AbortController().signal;
const OK: CallReport = { ...NOTHING_REPORTED, success: true };
const BUSY: CallReport = { ...NOTHING_REPORTED, errorCode: 503, errorText: 'Timed out - server too busy' };
const LOAD: LoadReport = {
  instanceId: 'a1b2',
  memoryUsedBytes: 512,
  memoryTotalBytes: 1024,
  memoryIdleBytes: 512,
  cpuUsedMillis: 100,
  cpuTotalMillis: 2000,
  active: 3,
  waiting: 1,
  freeSlots: 2,
  draining: false,
  degraded: false,
  degradedReason: '',
};

/** Load reports received by the balancer, by call id; "status" when not for a call. */
let reports: [about: string, load: LoadReport][];
let peer: ScriptedRunner;
let runner: Runner;
let unsubscribe: (() => void) | undefined;

async function start(script: (engagement: ScriptedEngagement) => void | Promise<void>, status?: object) {
  reports = [];
  peer = await startScriptedRunner(script, { status });
  runner = newGrpcRunner(peer.address, TEST_LINK);
  unsubscribe = runner.subscribe?.((load, call) => reports.push([call?.model.id ?? 'status', load]));
}
afterEach(async () => {
  await runner.close();
  await peer.close();
});

/** Ends as our runners do, with their load. */
function end(engagement: ScriptedEngagement, report: CallReport, trailer = encodeOrca(LOAD)): void {
  engagement.begin({ [INSTANCE_ID_HEADER]: LOAD.instanceId });
  engagement.send({ kind: 'finished', report });
  engagement.end(0, '', { [LOAD_TRAILER]: trailer });
}

it('a call that has run brings the load of its runner', async () => {
  await start(async (engagement) => {
    await engagement.wholeBody;
    end(engagement, OK);
  });
  const call = anOutboundCall();
  expect((await runner.tryCall(call, never)).kind).toBe('finished');
  expect(reports).toEqual([[call.model.id, LOAD]]);
});

it('so does one that was refused, with its body still on the way', async () => {
  await start((engagement) => end(engagement, BUSY));
  const call = anOutboundCall({ body: new FixedBody(Buffer.alloc(5_000_000)) });
  expect(await runner.tryCall(call, never)).toMatchObject({ kind: 'refused', reason: 'busy' });
  await runner.close(); // waits for the stream
  expect(reports).toEqual([[call.model.id, LOAD]]);
});

it('so does one that failed', async () => {
  await start(async (engagement) => {
    await engagement.wholeBody;
    end(engagement, { ...NOTHING_REPORTED, errorCode: 502, errorText: 'function failed', errorUser: true });
  });
  expect((await runner.tryCall(anOutboundCall(), never)).kind).toBe('failed');
  await runner.close();
  expect(reports).toHaveLength(1);
});

it('an unreadable load changes nothing', async () => {
  await start(async (engagement) => {
    await engagement.wholeBody;
    end(engagement, OK, 'AAAA');
  });
  expect((await runner.tryCall(anOutboundCall(), never)).kind).toBe('finished');
  expect(reports).toEqual([]);
});

it('a runner of Fn sends none, and nothing depends on it', async () => {
  await start(
    async (engagement) => {
      await engagement.wholeBody;
      engagement.send({ kind: 'finished', report: OK });
      engagement.end();
    },
    { active: 1, requestsReceived: 7 },
  );
  expect((await runner.tryCall(anOutboundCall(), never)).kind).toBe('finished');
  expect(await runner.status()).toMatchObject({ active: 1, requestsReceived: 7, load: undefined });
  expect(reports).toEqual([]);
});

it('a status brings it too, with or without a listener', async () => {
  await start(() => undefined, { active: 3, load: { instanceId: 'a1b2', memoryTotalBytes: 1 } });
  unsubscribe?.();
  expect((await runner.status()).load?.instanceId).toBe('a1b2');
  expect(reports).toEqual([]);
});

it('a status brings it', async () => {
  const { active, freeSlots, ...load } = LOAD;
  await start(() => undefined, { active, load });
  const answer = { ...LOAD, freeSlots: undefined };
  expect(await runner.status()).toMatchObject({ active: 3, load: answer });
  expect(reports).toEqual([['status', answer]]);
});
