import type { Server } from 'node:net';
import { FakeClock } from '@fnfleet/core';
import { HeldFunction, NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

let clock: FakeClock;
let held: HeldFunction;
/** How many of its requests were answered. */
let answered: number;
let test: TestAgent;

beforeEach(() => {
  clock = new FakeClock();
  held = new HeldFunction();
  answered = 0;
});
afterEach(async () => {
  // Containers that are still starting.
  await clock.advance(2_000);
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

/** An agent with one function, whose containers take this time to start. */
function setUp(launchMs: number, options: ConstructorParameters<typeof TestAgent>[1] = {}): void {
  const slow = {
    ...held,
    async offer(server: Server, socketPath: string) {
      await clock.sleep(launchMs);
      // Containers that are still starting at the end of a test are gone by now.
      server.on('error', () => undefined);
      server.listen(socketPath);
    },
  };
  const settings = { freezeIdleMs: Number.POSITIVE_INFINITY, ...options.settings };
  test = new TestAgent({ slow }, { clock, ...options, settings });
}

const created = () => test.driver.counters.created;
const call = () => test.answer({ image: 'slow' });
const callAtOnce = (count: number) => Array.from({ length: count }, () => call());

/** The next so many calls are served, in the order in which they reach a container; each takes this time. */
async function serve(count: number, serviceMs: number): Promise<void> {
  for (const until = answered + count; answered < until; answered += 1) {
    await held.arrived(answered + 1);
    await clock.advance(serviceMs);
    held.answer(answered);
  }
}

/** Until so many containers in all are starting or have started. */
async function starting(count: number): Promise<void> {
  while (test.driver.counters.started < count) await clock.advance(0);
}

/** A container starts and serves a call. */
async function getHot(launchMs: number, serviceMs: number): Promise<void> {
  const first = call();
  await starting(1);
  await clock.advance(launchMs);
  await serve(1, serviceMs);
  await first;
}

it('Q5: the hot containers serve a burst of short calls', async () => {
  setUp(200);
  await getHot(200, 1);
  const burst = callAtOnce(50);
  await serve(50, 1);
  await Promise.all(burst);
  expect(created()).toBe(1);
});

it('50 concurrent first calls of one function start few containers, not 50', async () => {
  setUp(200, { settings: { maxConcurrentLaunches: 3 } });
  const burst = callAtOnce(50);
  await starting(3);
  await clock.advance(200);
  await serve(50, 1);
  await Promise.all(burst);
  expect(created()).toBeLessThan(10);
});

it('Q5: a non-blocking runner with room lets calls wait for a hot container', async () => {
  setUp(1_000, { settings: { nonBlocking: true } });
  await getHot(1_000, 40);
  const calls = callAtOnce(4);
  await serve(4, 40);
  await Promise.all(calls);
  expect(created()).toBe(1);
});

it('Q5: a call that no hot container serves soon gets its own container', async () => {
  test = new TestAgent({ slow: held });
  const calls = callAtOnce(4);
  await held.arrived(4);
  expect(created()).toBe(4);
  await serve(4, 0);
  await Promise.all(calls);
});

it('agent-and-docker 42: a full non-blocking runner refuses a further call at once', async () => {
  const LAUNCH_MS = 1_500;
  setUp(LAUNCH_MS, { memoryMb: 256, settings: { nonBlocking: true } });
  // Quick calls and slow launches: one that comes now would be expected to wait for a container.
  await getHot(LAUNCH_MS, 5);
  const quick = callAtOnce(2);
  await serve(2, 5);
  await Promise.all(quick);

  const first = call();
  await held.arrived(4);
  const second = call();
  // It has waited for the first one long enough.
  await clock.advance(LAUNCH_MS / 2);
  await starting(2);
  await clock.advance(LAUNCH_MS);
  await held.arrived(5);

  const from = clock.now();
  const third = expect(call()).rejects.toMatchObject({ code: 'serverBusy' });
  await clock.advance(20);
  await third;
  expect(clock.now() - from).toBeLessThan(LAUNCH_MS);
  await serve(2, 0);
  await Promise.all([first, second]);
});
