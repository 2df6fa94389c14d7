import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeWorkloadRecord, FakeRunner } from '@fnfleet/placement';
import { type LoadReport, NOTHING_CHECKED } from '@fnfleet/protocol';
import { TestFleet } from './test-kit/test-fleet.js';

let directory: string;
let fleet: TestFleet | undefined;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'workload-'));
});
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
  rmSync(directory, { recursive: true });
});

it('GET /fleet reports the runners, and the source of their addresses', async () => {
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

it('GET /fleet?ask=1 queries the runners first', async () => {
  const runner = new FakeRunner('r1:9190');
  runner.status = async () => {
    const load = { instanceId: 'x', active: 4 } as LoadReport;
    runner.loads.emit(load, undefined);
    return { ...NOTHING_CHECKED, load };
  };
  fleet = await TestFleet.start([runner], { env: { FN_RUNNER_PROBE_MSECS: '0' } });
  const active = async (query: string) => {
    const answer = await fleet?.send(`/fleet${query}`, { method: 'GET' });
    return JSON.parse(answer?.body ?? '').runners.map(({ load }: { load?: { active: number } }) => load?.active);
  };
  await fleet.send('/fleet/cordons/r1:9190', { method: 'PUT' });
  expect([await active(''), await active('?ask=1')]).toEqual([[undefined], [4]]);
});

it('PUT and DELETE /fleet/cordons/<address>: calls go elsewhere, and return; an unknown address is rejected', async () => {
  const [r1, r2] = [new FakeRunner('[::1]:9190').finishes(), new FakeRunner('r2:9190').finishes()];
  fleet = await TestFleet.start([r1, r2]);
  const cordon = (method: string, address: string) =>
    fleet?.send(`/fleet/cordons/${encodeURIComponent(address)}`, { method });
  expect(await cordon('PUT', '[::1]:9190')).toMatchObject({ status: 200, body: '{"cordons":["[::1]:9190"]}' });
  await cordon('PUT', '[::1]:9190');
  for (let i = 0; i < 3; i += 1) expect((await fleet.send('/invoke/fn1')).status).toBe(200);
  expect([r1.attempts, r2.attempts]).toEqual([0, 3]);
  expect(JSON.parse((await fleet.send('/fleet', { method: 'GET' })).body)).toMatchObject({
    cordons: ['[::1]:9190'],
    troubles: [],
    runners: [{ state: 'cordoned', cordoned: true, reason: expect.stringContaining('an operator') }, { state: 'ok' }],
  });

  expect(await cordon('DELETE', '[::1]:9190')).toMatchObject({ status: 200, body: '{"cordons":[]}' });
  await fleet.send('/invoke/fn1');
  expect(r1.attempts).toBe(1);
  expect(await cordon('PUT', 'r9:9190')).toMatchObject({
    status: 404,
    body: expect.stringContaining('has no runner r9:9190; it has [::1]:9190, r2:9190'),
  });
});

it('a call that waits because all runners are cordoned runs when a cordon is lifted', async () => {
  const runner = new FakeRunner('r1:9190').finishes();
  fleet = await TestFleet.start([runner]);
  await fleet.send('/fleet/cordons/r1:9190', { method: 'PUT' });
  const waiting = fleet.send('/invoke/fn1');
  const isWaiting = async () =>
    JSON.parse((await fleet?.send('/fleet', { method: 'GET' }))?.body ?? '{}').waiting === 1;
  while (!(await isWaiting())) await new Promise((resolve) => setTimeout(resolve, 5));
  await fleet.send('/fleet/cordons/r1:9190', { method: 'DELETE' });
  expect((await waiting).status).toBe(200);
});

it('FN_WORKLOAD_FILE gets a line for each call that ran, which the simulator can read', async () => {
  const file = path.join(directory, 'calls.jsonl');
  const runner = new FakeRunner('r1:9190').does(async (call) => {
    call.addExecution(25_000_000);
    call.response.writeHead(200, []);
    return { kind: 'failed', blame: 'runner', error: new Error('it ran, and failed') };
  });
  fleet = await TestFleet.start([runner], { env: { FN_WORKLOAD_FILE: file } });
  await fleet.send('/invoke/fn1', { method: 'POST' });
  await fleet.close();
  fleet = undefined;
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines.map(decodeWorkloadRecord)).toMatchObject([
    { appId: 'app1', fnId: 'fn1', memoryMb: 128, execMs: 25, initMs: undefined },
  ]);
  expect(decodeWorkloadRecord(lines[0] ?? '').atMs).toBeGreaterThan(0);
});

it('a workload file that cannot be written fails no call', async () => {
  const file = path.join(directory, 'not-there', 'calls.jsonl');
  fleet = await TestFleet.start([new FakeRunner('r1:9190').finishes()], { env: { FN_WORKLOAD_FILE: file } });
  expect((await fleet.send('/invoke/fn1', { method: 'POST' })).status).toBe(200);
  expect(existsSync(file)).toBe(false);
});
