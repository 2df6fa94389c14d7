import { buffer } from 'node:stream/consumers';
import { ERRORS, FakeClock, later } from '@fnfleet/core';
import { fn, rawFn } from '@fnfleet/drivers';
import { withDeadline } from './call/call-options.js';
import { StreamBody } from './test-kit/caller-ends.js';
import { echo, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

let clock: FakeClock;
let test: TestAgent;
let body: StreamBody;
/** The deadline that the function received with each request, as soon as its head had arrived. */
let received: (string | undefined)[];

beforeEach(() => {
  clock = new FakeClock();
  body = new StreamBody();
  received = [];
  const upload = fn(async (req, res) => {
    received.push(req.headers['fn-deadline'] as string | undefined);
    res.end(`${(await buffer(req)).length}`);
  });
  const slow = fn(async (req) => {
    received.push('');
    await buffer(req);
    received.push('has all of it');
  });
  const deaf = rawFn((socket) => {
    socket.pause();
    received.push('');
  });
  test = new TestAgent(
    { echo, upload, slow, deaf },
    { clock, settings: { uploadStallMs: 10_000, uploadMinBytes: 1000 } },
  );
});

afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}

/** Time passes when everything that needs none has happened. */
async function pass(ms: number): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
  await clock.advance(ms);
}

it('a body may take longer than the timeout of the function', async () => {
  const { done, writer } = await test.invoke({ image: 'upload', body, timeoutSeconds: 2 });
  body.source.write('x');
  await until(() => received.length === 1);
  for (let second = 0; second < 30; second += 1) {
    await pass(1_000);
    body.source.write('x'.repeat(200));
  }
  body.source.end();
  await done;
  expect(String(writer.body)).toBe('6001');
  expect(test.driver.counters.created).toBe(1);
});

it('the timeout of the function starts with the last byte of the body', async () => {
  const { done } = await test.invoke({ image: 'slow', body, timeoutSeconds: 2 });
  body.source.write('x');
  await until(() => received.length === 1);
  await pass(5_000);
  body.source.end();
  await until(() => received.length === 2);
  let ended = false;
  void outcomeOf(done).then(() => {
    ended = true;
  });
  await pass(1_999);
  await pass(0);
  expect(ended).toBe(false);
  await pass(1);
  expect(await outcomeOf(done)).toBe('callTimeout');
});

it('a caller that stops sending ends the call with 408, and its container is removed', async () => {
  const { done } = await test.invoke({ image: 'upload', body, timeoutSeconds: 300 });
  body.source.write('x');
  await until(() => received.length === 1);
  await pass(9_000);
  body.source.write('x'.repeat(1000));
  await pass(9_999);
  expect(test.driver.counters.live).toBe(1);
  await pass(1);
  expect(await outcomeOf(done)).toBe('requestTimeout');
  expect([ERRORS.requestTimeout.status, ERRORS.requestTimeout.blame, body.discarded]).toEqual([408, 'caller', true]);
  await until(() => test.driver.counters.live === 0);
  expect(test.agent.utilization.memoryUsedBytes).toBe(0);
  expect(await test.outcome({ image: 'upload' })).toBe('ok');
});

it.each([
  ['a caller that sends a byte now and then is treated as stalled', 1, 'requestTimeout'],
  ['the minimum may arrive in small parts', 334, 'ok'],
  ['one byte below the minimum is too little', 333, 'requestTimeout'],
])('%s', async (_, bytes, expected) => {
  const { done } = await test.invoke({ image: 'upload', body, timeoutSeconds: 300 });
  body.source.write('x'.repeat(333));
  await until(() => received.length === 1);
  for (let part = 0; part < 2; part += 1) {
    await pass(3_000);
    body.source.write('x'.repeat(bytes));
  }
  await pass(4_000);
  body.source.end();
  expect(await outcomeOf(done)).toBe(expected);
  expect(await test.outcome({ image: 'upload' })).toBe('ok');
});

it('a function that does not read available data uses its own time, not that of the caller', async () => {
  const { done } = await test.invoke({ image: 'deaf', body, timeoutSeconds: 2 });
  const fill = () => {
    while (body.source.write(Buffer.alloc(64 * 1024)));
  };
  body.source.on('drain', fill);
  fill();
  await until(() => received.length === 1);
  await pass(2_000);
  expect(await outcomeOf(done)).toBe('callTimeout');
});

it('the deadline of the call also ends a slow upload', async () => {
  const options = [withDeadline(later(clock.now(), 3_000))];
  const { done } = await test.invoke({ image: 'upload', body, timeoutSeconds: 2, options });
  body.source.write('x');
  await until(() => received.length === 1);
  await pass(3_000);
  expect(await outcomeOf(done)).toBe('callTimeout');
});

it('the deadline sent to the function includes the time of the caller', async () => {
  const started = clock.wallNow();
  const options = [withDeadline(later(clock.now(), 5_000))];
  const bounded = await test.invoke({ image: 'upload', body, timeoutSeconds: 2, options });
  body.source.end('x');
  await bounded.done;
  const streamed = new StreamBody();
  const unbounded = await test.invoke({ image: 'upload', body: streamed, timeoutSeconds: 2 });
  streamed.source.end('x');
  await unbounded.done;
  await test.answer({ image: 'upload', body: 'x', timeoutSeconds: 2 });
  expect(received.map((text) => Date.parse(text ?? '') - Math.floor(Number(started) / 1000) * 1000)).toEqual([
    5_000, 12_000, 2_000,
  ]);
});
