import { connect } from 'node:net';
import { MIB, RecordedMetrics } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { AccessGuard } from '@fnfleet/http';
import { FakeRunner } from '@fnfleet/placement';
import { type FleetOptions, type RequestOptions, TestFleet } from '../test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();
const TOKEN = 'sesame-0123';

let fleet: TestFleet;
let runners: FakeRunner[];

beforeEach(() => {
  metrics.reset();
  runners = [new FakeRunner('r1').finishes({ body: 'ran' }), new FakeRunner('r2').finishes({ body: 'ran' })];
});

afterEach(() => fleet.close());

async function start(options: FleetOptions = {}): Promise<void> {
  fleet = await TestFleet.start(runners, options);
}

async function dryRun({ headers, body = 'in' }: RequestOptions = {}, path = '/invoke/fn1') {
  const answer = await fleet.send(path, { headers: { 'is-dry-run': 'true', ...headers }, body });
  return { ...answer, body: JSON.parse(answer.body) };
}

const ran = () => runners.reduce((sum, { attempts }) => sum + attempts, 0);

it('fn invoke --is-dry-run reports what would happen to the call, which is offered to no runner', async () => {
  await start();
  const { status, headers, body } = await dryRun();
  expect(status).toBe(200);
  expect(headers['content-type']).toMatch('application/json');
  expect(headers).not.toHaveProperty('fn-call-id');
  expect(body).toEqual({
    dry_run: true,
    would: 'start a container',
    type: 'sync',
    app: { id: 'app1', name: 'shop' },
    fn: { id: 'fn1', name: 'cart', image: 'shop/cart:1', memory: 128, timeout: 30 },
    runners: { runners: 2, ready: 2, hot: 0 },
  });
  expect([ran(), metrics.sum('calls')]).toEqual([0, 0]);
});

it('a runner known to have a hot container for the function is reported as hot', async () => {
  await start();
  await fleet.send('/invoke/fn1');
  const { body } = await dryRun({ headers: { 'fn-invoke-type': 'detached' } });
  expect(body).toMatchObject({ would: 'use a hot container', type: 'detached', runners: { hot: 1 } });
  expect(ran()).toBe(1);
});

it('reports that the call would wait if all runners are full, or if there is none', async () => {
  runners = [new FakeRunner('r1')];
  await start();
  await fleet.send('/fleet/cordons/r1', { method: 'PUT' });
  expect((await dryRun()).body).toMatchObject({ would: 'wait for room', runners: { runners: 1, ready: 0, hot: 0 } });
  await fleet.close();
  await start({ pool: newStaticRunnerPool([], (address) => new FakeRunner(address)) });
  expect((await dryRun()).body).toMatchObject({ would: 'wait for a runner', runners: { runners: 0 } });
});

it('a dry run is refused for the same reasons as a call before its placement', async () => {
  await start({ env: { FN_MAX_REQUEST_SIZE: '3' } });
  expect((await dryRun({ body: 'long' })).status).toBe(413);
  expect((await dryRun({}, '/invoke/none')).status).toBe(404);
  expect(ran()).toBe(0);
});

it.each([['True'], ['TRUE'], [' true'], [['false', 'true']]])('%j requests a dry run', async (value) => {
  await start();
  expect((await dryRun({ headers: { 'is-dry-run': value } })).body).toMatchObject({ dry_run: true });
  expect(ran()).toBe(0);
});

it.each(['false', '', '1', 'yes'])('%j does not request a dry run', async (value) => {
  await start();
  expect(await fleet.send('/invoke/fn1', { headers: { 'is-dry-run': value } })).toMatchObject({ body: 'ran' });
});

it('the header of fn invoke --fn-intent reaches the function', async () => {
  await start();
  await fleet.send('/invoke/fn1', { headers: { 'fn-intent': 'cloudevent' } });
  expect(runners[0]?.offered[0]?.model.headers).toMatchObject({ 'Fn-Intent': ['cloudevent'] });
});

it('a client of a trigger may send a header of that name to its function', async () => {
  await start();
  expect(await fleet.send('/t/shop/hot', { headers: { 'is-dry-run': 'true' } })).toMatchObject({ body: 'ran' });
  expect(ran()).toBe(1);
});

it('its body is discarded, and the connection can be reused', async () => {
  await start();
  const head = 'POST /invoke/fn1 HTTP/1.1\r\nHost: lb\r\nIs-Dry-Run: true\r\n';
  const received = await fleet.raw(
    `${head}Transfer-Encoding: chunked\r\n\r\n2\r\nin\r\n0\r\n\r\n${head}Content-Length: 2\r\nConnection: close\r\n\r\nin`,
  );
  expect(received.match(/"dry_run":true/g)).toHaveLength(2);
});

it('a client that keeps sending an unwanted body is disconnected, as after any response', async () => {
  await start();
  const client = connect(fleet.server.address.port, '127.0.0.1').resume();
  client.on('error', () => undefined);
  client.write('POST /invoke/fn1 HTTP/1.1\r\nHost: lb\r\nIs-Dry-Run: true\r\nContent-Length: 999999999\r\n\r\n');
  client.write(Buffer.alloc(12 * MIB));
  // Not `once` of node:events, which takes the reset for a failure.
  await new Promise((resolve) => client.once('close', resolve));
  expect((await dryRun()).status).toBe(200);
});

it('with an operator token configured, others see neither the image nor the state of the runners', async () => {
  await start({ guard: new AccessGuard({ operatorToken: TOKEN }) });
  const { body } = await dryRun();
  expect(body).toEqual({
    dry_run: true,
    would: 'start a container',
    type: 'sync',
    app: { id: 'app1', name: 'shop' },
    fn: { id: 'fn1', name: 'cart', memory: 128, timeout: 30 },
  });
  const operator = await dryRun({ headers: { authorization: `Bearer ${TOKEN}` } });
  expect(operator.body).toMatchObject({ fn: { image: 'shop/cart:1' }, runners: { ready: 2 } });
});
