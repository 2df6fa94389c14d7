import { silentLogger } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import { Held, reportOf, TestRunner } from './test-kit/test-runner.js';

const answers = fn((request, response) => request.resume().once('end', () => response.end('here')));
const held = new Held();

let runner: TestRunner;
beforeEach(async () => {
  const functions = { held: fn(held.handler), echo: answers };
  runner = await TestRunner.start({ functions, name: () => 'box-1', httpPort: () => 8081 });
});
afterEach(() => runner.close());

const codeOf = async (call: { image: string; fnId?: string }) => reportOf((await runner.run(call)).messages).errorCode;
// biome-ignore lint/suspicious/noExplicitAny: the message as the proto loader makes it
const status = (): Promise<any> => runner.balancer.unary('Status', {});

it('a suspended runner refuses new calls, reports draining, and finishes its calls', async () => {
  const running = runner.offer({ image: 'held' });
  await held.untilCalled(1);
  runner.runner.suspend();
  runner.runner.suspend();

  expect(await codeOf({ image: 'echo' })).toBe(503);
  expect(await status()).toMatchObject({ active: 1, load: { draining: true } });
  expect(runner.runner.load).toMatchObject({ draining: true, active: 1 });

  held.release();
  await running.status;
  expect(reportOf(running.received).success).toBe(true);
  expect(await codeOf({ image: 'held' })).toBe(503);
});

it('each change is logged once', async () => {
  const said: string[] = [];
  const logger = { ...silentLogger, info: (what: string) => void said.push(what) };
  const other = await TestRunner.start({ functions: { echo: answers }, logger });
  for (const _ of [1, 2]) other.runner.suspend();
  for (const _ of [1, 2]) other.runner.resume();
  expect(said).toEqual(['suspended by an operator, taking no new calls', 'resumed by an operator, taking new calls']);
  await other.close();
});

it('a resumed runner takes calls again', async () => {
  runner.runner.suspend();
  expect(await codeOf({ image: 'echo' })).toBe(503);
  runner.runner.resume();
  expect(await codeOf({ image: 'echo' })).toBe(0);
  expect((await status()).load.draining).toBe(false);
});

it('a runner that shuts down cannot be resumed, and a suspended one shuts down like any other', async () => {
  runner.runner.suspend();
  const ending = runner.runner.drain({ graceMs: 30_000 });
  runner.runner.resume();
  expect(runner.runner.load.draining).toBe(true);
  expect(await ending).toBe('drained');
});

it('reports its identity and its hot functions', async () => {
  await runner.run({ image: 'echo', fnId: 'a' });
  await runner.run({ image: 'echo', fnId: 'b' });
  const { about } = await status();
  expect(about).toMatchObject({ name: 'box-1', httpPort: 8081, hotFunctions: 2, hotContainers: 2 });
  expect(about.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(Math.abs(Number(about.nowMs) - Date.now())).toBeLessThan(5000);
  expect(runner.agent.hotFunctions).toEqual([
    { fnId: 'a', hot: 1, idle: 1, starting: 0, waiting: 0 },
    { fnId: 'b', hot: 1, idle: 1, starting: 0, waiting: 0 },
  ]);
});

it('a runner without a name and an HTTP port reports neither', async () => {
  const nameless = await TestRunner.start({ functions: { echo: answers } });
  const { about } = (await nameless.balancer.unary('Status', {})) as { about: { name: string; httpPort: number } };
  expect([about.name, about.httpPort]).toEqual(['', 0]);
  await nameless.close();
});
