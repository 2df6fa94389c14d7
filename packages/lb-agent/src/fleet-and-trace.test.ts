import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeTraceRecord, FakeRunner } from '@fnfleet/placement';
import { TestFleet } from './test-kit/test-fleet.js';

let directory: string;
let fleet: TestFleet | undefined;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'trace-'));
});
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
  rmSync(directory, { recursive: true });
});

it('GET /fleet tells what the balancer sees of its runners, and of the source of their addresses', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1:9190').finishes(), new FakeRunner('r2:9190').finishes()]);
  await fleet.send('/invoke/fn1', { method: 'POST' });
  const answer = await fleet.send('/fleet', { method: 'GET' });
  expect(JSON.parse(answer.body)).toMatchObject({
    waiting: 0,
    in_flight: 0,
    pool: { kind: 'static', failing: false },
    runners: [
      { address: 'r1:9190', state: 'ok', in_flight: 0, weight: 1, warm_functions: 1 },
      { address: 'r2:9190', state: 'ok', in_flight: 0, weight: 1, warm_functions: 0 },
    ],
  });
});

it('FN_TRACE_FILE: a line for each call that ran, which the simulator reads', async () => {
  const file = path.join(directory, 'trace.jsonl');
  const runner = new FakeRunner('r1:9190').does(async (call) => {
    call.addExecution(25_000_000);
    call.response.writeHead(200, []);
    return { kind: 'failed', error: new Error('it ran, and failed') };
  });
  fleet = await TestFleet.start([runner], { env: { FN_TRACE_FILE: file } });
  await fleet.send('/invoke/fn1', { method: 'POST' });
  await fleet.close();
  fleet = undefined;
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines.map(decodeTraceRecord)).toMatchObject([{ fnId: 'fn1', execMs: 25, initMs: undefined }]);
});

it('a trace that cannot be written costs no call', async () => {
  const file = path.join(directory, 'not-there', 'trace.jsonl');
  fleet = await TestFleet.start([new FakeRunner('r1:9190').finishes()], { env: { FN_TRACE_FILE: file } });
  expect((await fleet.send('/invoke/fn1', { method: 'POST' })).status).toBe(200);
  expect(existsSync(file)).toBe(false);
});
