import { FakeClock, later, RecordedMetrics } from '@fnfleet/core';
import { withDeadline } from './call/call-options.js';
import { echo, HeldFunction, NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

const MB = 1024 * 1024;
const WAIT_MS = 60_000;

const metrics = RecordedMetrics.install();
let clock: FakeClock;
let test: TestAgent;

beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
});
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

function anAgent(pull: { receivedBytes: number; totalBytes: number }, settings: { imageWaitMs?: number } = {}): void {
  const slow = { ...echo, pull: { since: clock.now(), ...pull } };
  test = new TestAgent({ slow, here: echo }, { clock, settings: { imageWaitMs: WAIT_MS, ...settings } });
  test.driver.gates.pull.hold();
}

const invoke = async (deadlineMs?: number) => {
  const options = deadlineMs === undefined ? [] : [withDeadline(later(clock.now(), deadlineMs))];
  const { done } = await test.invoke({ image: 'slow', options });
  await test.driver.gates.pull.reached();
  return done.then(
    () => 'ok',
    (error) => error,
  );
};

const PULLING = {
  code: 'imagePulling',
  status: 503,
  message: "The image 'slow' is being pulled, try again later",
};

it.each`
  known                                  | pull                                               | seconds | detail
  ${'nothing about it'}                  | ${{ receivedBytes: 0, totalBytes: 0 }}             | ${10}   | ${''}
  ${'only its size'}                     | ${{ receivedBytes: 0, totalBytes: 80 * MB }}       | ${10}   | ${'0.0 of 80 MB so far'}
  ${'three quarters have arrived'}       | ${{ receivedBytes: 60 * MB, totalBytes: 80 * MB }} | ${20}   | ${'60 of 80 MB so far'}
  ${'it will take half a day'}           | ${{ receivedBytes: MB, totalBytes: 900 * MB }}     | ${120}  | ${'1.0 of 900 MB so far'}
  ${'it is complete and being unpacked'} | ${{ receivedBytes: 80 * MB, totalBytes: 80 * MB }} | ${10}   | ${'80 of 80 MB so far'}
`('a call whose image is not pulled in time gets 503 with Retry-After; progress: $known', async (row) => {
  anAgent(row.pull);
  const call = invoke();
  await test.driver.gates.pull.reached();
  clock.advance(WAIT_MS);
  expect(await call).toMatchObject({ ...PULLING, retryAfterSeconds: row.seconds, detail: row.detail });
  expect([metrics.sum('server_busy'), metrics.sum('errors')]).toEqual([1, 0]);
});

it('the pull continues without the call and serves the next one, which waits no longer either', async () => {
  anAgent({ receivedBytes: 0, totalBytes: 0 });
  const first = invoke();
  await test.driver.gates.pull.reached();
  clock.advance(WAIT_MS);
  expect(await first).toMatchObject(PULLING);
  expect(test.agent.imagePulls).toEqual([{ image: 'slow', receivedBytes: 0, totalBytes: 0 }]);
  const second = invoke();
  await test.driver.gates.pull.reached();
  clock.advance(WAIT_MS);
  expect(await second).toMatchObject(PULLING);
  expect(test.driver.gates.pull.waiting).toBe(1);

  const third = await test.invoke({ image: 'slow' });
  test.driver.gates.pull.release();
  await third.done;
  expect(test.agent.imagePulls).toEqual([]);
  expect(test.driver.counters.prepared).toBe(1);
});

it('an earlier deadline of the call ends the wait', async () => {
  anAgent({ receivedBytes: 0, totalBytes: 0 });
  const call = invoke(1_000);
  await test.driver.gates.pull.reached();
  clock.advance(1_000);
  expect(await call).toMatchObject(PULLING);
});

it('a call waits as before when nothing is pulled, or when waiting for images is disabled', async () => {
  const held = new HeldFunction();
  test = new TestAgent({ held }, { clock, memoryMb: 128, settings: { imageWaitMs: 0 } });
  const first = await test.invoke({ image: 'held' });
  await held.arrived(1);
  const second = await test.invoke({ image: 'held' });
  for (let times = 0; times < 10; times += 1) clock.advance(500);
  held.answer(0);
  await first.done;
  await held.arrived(2);
  held.answer(1);
  await second.done;
});
