import { linkSync, renameSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { count, ERRORS, RecordedMetrics } from '@fnfleet/core';
import { fn, rawFn, type ScriptedContainer, type ScriptedFunction } from '@fnfleet/drivers';
import { withBeforeStart, withLogger } from './call/call-options.js';
import { CollectedLines, StreamBody } from './test-kit/caller-ends.js';
import { echo, HeldFunction, NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;

beforeEach(() => metrics.reset());
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

/** The function has ended and its engine has not reported that yet: its socket refuses connections. */
function leaveDeafSocket(container: ScriptedContainer): void {
  const { socketPath } = container;
  linkSync(socketPath, `${socketPath}.kept`);
  container.exit();
  renameSync(`${socketPath}.kept`, socketPath);
}

/** An engine that tells of no end. */
function hideExits({ driver }: TestAgent): void {
  const create = driver.create.bind(driver);
  driver.create = async (...parts) => {
    const container = await create(...parts);
    return Object.assign(container, { wait: () => new Promise<never>(() => undefined) });
  };
}

function setUp(functions: Readonly<Record<string, ScriptedFunction>>): void {
  test = new TestAgent({ echo, ...functions });
  hideExits(test);
}

it.each`
  what                                  | leave
  ${'whose socket refuses connections'} | ${leaveDeafSocket}
  ${'whose socket is gone'}             | ${(container: ScriptedContainer) => container.exit()}
  ${'that closed and was replaced'}     | ${(container: ScriptedContainer) => unlinkSync(container.socketPath)}
`('a call for a container $what moves to another container', async ({ leave }) => {
  setUp({ once: fn((_req, res) => res.setHeader('Connection', 'close').end('first')) });
  await test.answer({ image: 'once' });
  const [gone] = test.driver.containers;
  leave(gone as ScriptedContainer);

  expect(String((await test.answer({ image: 'once' })).body)).toBe('first');
  while (test.driver.counters.live > 1) await sleep(5);
  expect(test.driver.counters.created).toBe(2);
  expect(test.driver.containers).not.toContain(gone);
});

it('a function that exits after each response serves one call after another', async () => {
  setUp({
    exits: fn((_req, res, container) => {
      res.once('finish', () => leaveDeafSocket(container)).setHeader('Connection', 'close');
      res.end('well');
    }),
  });
  for (let calls = 1; calls <= 5; calls += 1) {
    expect(String((await test.answer({ image: 'exits' })).body)).toBe('well');
    expect(test.driver.counters.created).toBe(calls);
  }
});

it('when all hot containers have ended with their engine, a call is refused for another runner, and none gets 502', async () => {
  const held = new HeldFunction();
  setUp({ held });
  const calls = await Promise.all(Array.from({ length: 6 }, () => test.invoke({ image: 'held' })));
  await held.arrived(6);
  for (const { res } of held.requests) res.setHeader('Connection', 'close');
  for (const index of calls.keys()) held.answer(index);
  await Promise.all(calls.map(({ done }) => done));
  for (const container of test.driver.containers) leaveDeafSocket(container);
  test.driver.health.degrade('the engine is stopped');

  const outcomes = await Promise.all(Array.from({ length: 6 }, () => test.outcome({ image: 'held' })));

  expect(outcomes).toEqual(Array(6).fill('serverBusy'));
  while (test.driver.counters.live > 0) await sleep(5);
});

it('a function whose containers all end unanswered is to blame after three of them', async () => {
  test = new TestAgent({ echo, absent: echo });
  const create = test.driver.create.bind(test.driver);
  test.driver.create = async (...parts) => {
    const container = await create(...parts);
    return container.spec.image === 'echo' ? container : Object.assign(container, { connect: fails });
  };

  const outcome = await test.outcome({ image: 'absent' });

  expect([outcome, ERRORS.functionResponse.blame]).toEqual(['functionResponse', 'function']);
  expect(test.driver.counters.created).toBe(3);
  while (test.driver.counters.live > 0) await sleep(5);
  expect(await test.outcome({})).toBe('ok');
});

function fails(): never {
  throw new Error('no socket');
}

it('a connection that the function closed between two calls is reopened, and its container keeps serving', async () => {
  const open: { destroy(): void }[] = [];
  setUp({
    closes: rawFn((socket) => {
      open.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood'));
    }),
  });
  for (let calls = 1; calls <= 3; calls += 1) {
    expect(String((await test.answer({ image: 'closes', body: 'x'.repeat(calls) })).body)).toBe('good');
    // The next call comes before this is noticed here.
    open.at(-1)?.destroy();
  }
  expect([open.length, test.driver.counters.created]).toEqual([3, 1]);
});

it('body, log and start notification of a call move to the container that serves it', async () => {
  setUp({});
  await test.answer({});
  for (const container of test.driver.containers) leaveDeafSocket(container);
  while ((test.driver.containers[0]?.connections ?? 0) > 0) await sleep(5);
  const log = new CollectedLines();
  let announced = 0;
  const body = new StreamBody();
  const options = [
    withLogger(log),
    withBeforeStart((start) => {
      announced += 1;
      start();
    }),
  ];

  const { done, writer } = await test.invoke({ body, options });
  body.source.write('in two ');
  while (test.driver.counters.created < 2) await sleep(5);
  expect(log.closed).toBe(0);
  body.source.end('pieces');
  await done;

  expect([String(writer.body), announced, body.discarded]).toEqual(['in two pieces', 1, false]);
  while (log.closed === 0) await sleep(5);
  expect(log.closed).toBe(1);
});
