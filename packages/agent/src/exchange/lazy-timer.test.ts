import { FakeClock } from '@fnfleet/core';
import { LazyTimer } from './lazy-timer.js';

describe('a lazy timer', () => {
  const setUp = () => {
    const clock = new FakeClock();
    const from = clock.now();
    const fired: number[] = [];
    const timer = new LazyTimer(clock, () => fired.push(clock.now() - from));
    return { clock, fired, timer };
  };

  it('fires once, when due', async () => {
    const { clock, fired, timer } = setUp();
    timer.set(100);
    await clock.advance(99);
    expect(fired).toEqual([]);
    await clock.advance(500);
    expect(fired).toEqual([100]);
  });

  it('keeps one timer of the clock while it is set and cleared repeatedly', async () => {
    const { clock, fired, timer } = setUp();
    for (let call = 0; call < 10; call += 1) {
      timer.set(100);
      await clock.advance(10);
      timer.cancel();
      expect(clock.pendingTimers).toBe(1);
    }
    timer.set(100);
    await clock.advance(99);
    expect(fired).toEqual([]);
    await clock.advance(1);
    expect(fired).toEqual([200]);
  });

  it('fires earlier when the new delay ends before the old one', async () => {
    const { clock, fired, timer } = setUp();
    timer.set(1000);
    timer.set(10);
    await clock.advance(2000);
    expect(fired).toEqual([10]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('never fires once cleared or stopped, and stopping releases the timer', async () => {
    const { clock, fired, timer } = setUp();
    timer.set(10);
    timer.cancel();
    await clock.advance(20);
    timer.set(10);
    timer.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(20);
    expect(fired).toEqual([]);
  });

  it('a later delay replaces an earlier one, and a delay can be set again after it has fired', async () => {
    const { clock, fired, timer } = setUp();
    timer.set(10);
    timer.set(100);
    await clock.advance(99);
    expect(fired).toEqual([]);
    await clock.advance(1);
    timer.set(50);
    await clock.advance(50);
    expect(fired).toEqual([100, 150]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('works after it was stopped', async () => {
    const { clock, fired, timer } = setUp();
    timer.set(10);
    timer.close();
    timer.set(30);
    await clock.advance(30);
    expect(fired).toEqual([30]);
  });
});
