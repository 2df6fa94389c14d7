import { systemClock } from './clock.js';
import { FakeClock } from './fake-clock.js';

describe('a fake clock', () => {
  it('fires what falls due, in order of time and then of registration', async () => {
    const clock = new FakeClock();
    const fired: string[] = [];
    const note = (name: string) => () => void fired.push(`${name} at ${clock.now()}`);
    clock.after(20, note('later'));
    clock.after(10, note('first'));
    clock.after(10, note('second'));
    clock.after(10, note('cancelled')).cancel();
    clock.after(21, note('not yet'));
    clock.after(Number.POSITIVE_INFINITY, note('never'));

    await clock.advance(20);
    expect(fired).toEqual(['first at 10', 'second at 10', 'later at 20']);
    expect(clock.now()).toBe(20);
    expect(clock.pendingTimers).toBe(1);
  });

  it('fires timers that timers set, within the same advance', async () => {
    const clock = new FakeClock();
    const start = clock.now();
    let rounds = 0;
    const again = () => {
      rounds += 1;
      if (rounds < 3) clock.after(10, again);
    };
    clock.after(10, again);
    await clock.advance(30);
    expect(rounds).toBe(3);
    expect(clock.now() - start).toBe(30);
  });

  it('lets promises settle before time goes on', async () => {
    const clock = new FakeClock();
    const order: number[] = [];
    const worker = (async () => {
      await clock.sleep(10);
      order.push(clock.now());
      await clock.sleep(10);
      order.push(clock.now());
    })();
    const start = clock.now();
    await clock.advance(20);
    await worker;
    expect(order).toEqual([start + 10, start + 20]);
  });
});

describe.each([
  ['fake', new FakeClock()],
  ['system', systemClock],
])('the sleep of a %s clock', (_, clock) => {
  it('ends at once when it is aborted, before or during', async () => {
    await clock.sleep(1e9, AbortSignal.abort());
    const controller = new AbortController();
    const sleep = clock.sleep(1e9, controller.signal);
    controller.abort();
    await sleep;
    if (clock instanceof FakeClock) expect(clock.pendingTimers).toBe(0);
  });
});

describe('the system clock', () => {
  it('fires once after the delay, unless cancelled', async () => {
    const cancelled = jest.fn();
    systemClock.after(0, cancelled).cancel();
    await new Promise<void>((resolve) => systemClock.after(1, resolve, { keepAlive: true }));
    expect(cancelled).not.toHaveBeenCalled();
  });

  it('takes a delay longer than a timer can be', () => {
    const callback = jest.fn();
    systemClock.after(2 ** 40, callback).cancel();
    systemClock.after(Number.POSITIVE_INFINITY, callback).cancel();
    expect(callback).not.toHaveBeenCalled();
  });
});
