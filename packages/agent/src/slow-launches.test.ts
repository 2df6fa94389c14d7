// takes: 4 s
import type { Server } from 'node:net';
import { fn } from '@fnfleet/drivers';
import { NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

/** Containers are slow to start. */
const startsIn = (ms: number) => ({
  async offer(server: Server, socketPath: string) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    // Containers that are still starting at the end of a test are gone by now.
    server.on('error', () => undefined);
    server.listen(socketPath);
  },
});
const quick = {
  ...fn((request, response) => request.resume().once('end', () => response.end('ok'))),
  ...startsIn(200),
};

let test: TestAgent;
afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

const burst = (calls: number) => Promise.all(Array.from({ length: calls }, () => test.answer({ image: 'quick' })));

it('Q5: the hot containers serve a burst of short calls', async () => {
  test = new TestAgent({ quick });
  await burst(1);
  await burst(50);
  expect(test.driver.counters.created).toBeLessThan(10);
});

it('50 concurrent first calls of one function start few containers, not 50', async () => {
  test = new TestAgent({ quick });
  await burst(50);
  expect(test.driver.counters.created).toBeLessThan(10);
});

it('Q5: a non-blocking runner with room lets calls wait for a hot container', async () => {
  const napping = {
    ...fn((request, response) => request.resume().once('end', () => setTimeout(() => response.end('ok'), 40))),
    ...startsIn(1_000),
  };
  test = new TestAgent({ napping }, { settings: { nonBlocking: true } });
  await test.answer({ image: 'napping' });
  await Promise.all(Array.from({ length: 4 }, () => test.answer({ image: 'napping' })));
  expect(test.driver.counters.created).toBe(1);
});

it('Q5: a call that no hot container serves soon gets its own container', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = fn((request, response) => request.resume().once('end', () => void held.then(() => response.end('ok'))));
  test = new TestAgent({ slow });
  const calls = Array.from({ length: 4 }, () => test.answer({ image: 'slow' }));
  while (test.driver.counters.created < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  release();
  await Promise.all(calls);
  expect(test.driver.counters.created).toBe(4);
});

it('agent-and-docker 42: a full non-blocking runner refuses a further call at once', async () => {
  const LAUNCH_MS = 1_500;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let calls = 0;
  const sleeper = {
    ...fn((request, response) => {
      calls += 1;
      const answer = calls <= 3 ? undefined : held;
      request.resume().once('end', () => void Promise.resolve(answer).then(() => response.end('ok')));
    }),
    ...startsIn(LAUNCH_MS),
  };
  test = new TestAgent({ sleeper }, { memoryMb: 256, settings: { nonBlocking: true } });
  const call = () => test.answer({ image: 'sleeper', memoryMb: 128 });
  // Quick calls and slow launches: one that comes now would be expected to wait for a container.
  for (let i = 0; i < 3; i += 1) await call();
  const running = [call(), call()];
  while (calls < 5) await new Promise((resolve) => setTimeout(resolve, 5));

  const from = performance.now();
  await expect(call()).rejects.toMatchObject({ code: 'serverBusy' });
  expect(performance.now() - from).toBeLessThan(LAUNCH_MS);
  release();
  await Promise.all(running);
});
