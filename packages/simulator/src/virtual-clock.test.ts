import { epochMs } from '@fnfleet/core';
import { VirtualClock } from './virtual-clock.js';

const never = () => false;

it('fires in order of time, and in order of creation at the same time', async () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name}@${clock.now()}`);
  clock.after(20, note('c'));
  clock.after(10, note('a'));
  clock.after(10, note('b'));
  clock.after(Number.POSITIVE_INFINITY, note('never'));

  expect(await clock.run(never)).toBe(3);
  expect(fired).toEqual(['a@10', 'b@10', 'c@20']);
  expect(epochMs(clock.wallNow())).toBe(20);
});

it('lets long chains of promises settle before time advances', async () => {
  const clock = new VirtualClock();
  let seenAt = -1;
  clock.after(1, () => {
    let chain = Promise.resolve();
    for (let i = 0; i < 100; i += 1) chain = chain.then(() => undefined);
    void chain.then(() => {
      seenAt = clock.now();
    });
  });
  clock.after(2, () => undefined);
  await clock.run(never);
  expect(seenAt).toBe(1);
});

it('cancelled timers neither fire nor count, however many there are', async () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  const timers = Array.from({ length: 1000 }, (_, i) => clock.after((i * 7919) % 1000, () => fired.push(clock.now())));
  for (const [i, timer] of timers.entries()) if (i % 10 !== 0) timer.cancel();
  timers[1]?.cancel();
  expect(clock.pendingTimers).toBe(100);
  await clock.run(never);
  expect(fired).toEqual([...fired].sort((a, b) => a - b));
  expect(fired).toHaveLength(100);
  expect(clock.pendingTimers).toBe(0);
});

it('stops on request, and passes on the error of a callback', async () => {
  const clock = new VirtualClock();
  clock.after(1, () => undefined);
  clock.after(2, () => {
    throw new Error('broken');
  });
  await clock.run(() => clock.now() === 1);
  expect(clock.now()).toBe(1);
  await expect(clock.run(never)).rejects.toThrow('broken');
});
