import { LaunchLimiter } from './launch-limiter.js';

const never = new AbortController().signal;

it('admits launches up to its limit, then in order of arrival', async () => {
  const limiter = new LaunchLimiter(2);
  const order: number[] = [];
  const releases: (() => void)[] = [];
  const all = [0, 1, 2, 3].map(async (number) => {
    releases[number] = await limiter.acquire(never);
    order.push(number);
  });
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1]);
  releases[1]?.();
  releases[1]?.(); // idempotent
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1, 2]);
  releases[0]?.();
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3]);
});

it('a launch that gives up while waiting takes no place', async () => {
  const limiter = new LaunchLimiter(1);
  const release = await limiter.acquire(never);
  const impatient = new AbortController();
  const waiting = limiter.acquire(impatient.signal);
  const next = limiter.acquire(never);
  impatient.abort(new Error('gave up'));
  await expect(waiting).rejects.toThrow('gave up');
  await expect(limiter.acquire(impatient.signal)).rejects.toThrow('gave up');
  release();
  (await next)();
  (await limiter.acquire(never))();
});

it('a released place goes to the launch that waited longest, not to one that arrives at that moment', async () => {
  const limiter = new LaunchLimiter(1);
  const order: string[] = [];
  const acquire = (name: string) =>
    limiter.acquire(never).then((release) => {
      order.push(name);
      return release;
    });
  const release = await acquire('first');
  const second = acquire('second');
  release();
  const third = acquire('third');
  await new Promise(setImmediate);
  expect(order).toEqual(['first', 'second']);
  (await second)();
  (await third)();
  expect(order).toEqual(['first', 'second', 'third']);
});

it('an abort after admission does not release the place', async () => {
  const limiter = new LaunchLimiter(1);
  const release = await limiter.acquire(never);
  const caller = new AbortController();
  const entered = limiter.acquire(caller.signal);
  release();
  const releaseSecond = await entered;
  caller.abort(new Error('too late'));
  let admitted = false;
  const third = limiter.acquire(never).then((releaseThird) => {
    admitted = true;
    releaseThird();
  });
  await new Promise(setImmediate);
  expect(admitted).toBe(false);
  releaseSecond();
  await third;
});
