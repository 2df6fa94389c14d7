import { epochMs, later, type MonoMs, systemClock, type WallMs, wallAt } from './clock.js';
import { FakeClock } from './fake-clock.js';

describe('a fake clock', () => {
  it('fires due timers in order of time, then of registration', async () => {
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

  it('fires timers that were set by timers within the same advance', async () => {
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

  it('lets promises settle before time advances', async () => {
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
  it('ends at once when aborted, before or during it', async () => {
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

  it('accepts a delay longer than the maximum of setTimeout', () => {
    const callback = jest.fn();
    systemClock.after(2 ** 40, callback).cancel();
    systemClock.after(Number.POSITIVE_INFINITY, callback).cancel();
    expect(callback).not.toHaveBeenCalled();
  });
});

describe('the wall clock may step', () => {
  const HOUR_MS = 3_600_000;

  it.each([-HOUR_MS, HOUR_MS])('by %i ms: process time, timers and sleepers are not affected', async (stepMs) => {
    const clock = new FakeClock();
    const [from, wallFrom] = [clock.now(), clock.wallNow()];
    const fired: number[] = [];
    clock.after(100, () => fired.push(clock.now() - from));
    void clock.sleep(200).then(() => fired.push(clock.now() - from));
    clock.stepWall(stepMs);
    expect([clock.now(), epochMs(clock.wallNow())]).toEqual([from, epochMs(wallFrom) + stepMs]);
    await clock.advance(200);
    expect(fired).toEqual([100, 200]);
    expect([clock.now() - from, epochMs(clock.wallNow())]).toEqual([200, epochMs(wallFrom) + stepMs + 200]);
  });

  it('and the system time continues', () => {
    const realNow = Date.now;
    const [from, wallFrom] = [systemClock.now(), systemClock.wallNow()];
    Date.now = () => realNow() - HOUR_MS;
    try {
      expect(systemClock.wallNow() < wallFrom).toBe(true);
      expect(systemClock.now()).toBeGreaterThanOrEqual(from);
    } finally {
      Date.now = realNow;
    }
  });

  it('a deadline is reported as the wall clock shows it now', async () => {
    const clock = new FakeClock(1_000_000);
    await clock.advance(500);
    const deadline = later(clock.now(), 30_000);
    expect(wallAt(deadline, clock)).toBe(1_030_500);
    clock.stepWall(-HOUR_MS);
    expect(wallAt(deadline, clock)).toBe(1_030_500 - HOUR_MS);
  });
});

/** Never runs; the compiler tests it. A line that compiles despite its comment fails the build. */
export function cannotBeMixed(process: MonoMs, wall: WallMs, text: number): unknown {
  // @ts-expect-error a clock that steps cannot measure
  const duration = wall - wall;
  // @ts-expect-error the two times cannot be subtracted
  const mixed = process - wall;
  // @ts-expect-error nor compared
  const compared = process < wall;
  // @ts-expect-error nor can a wall-clock instant be compared with any number
  const withNumber = wall > 5;
  // @ts-expect-error a duration is added by later()
  const sum = wall + 5;
  // @ts-expect-error process time has no place in a field of the wall clock
  const stored: { at: WallMs } = { at: process };
  // @ts-expect-error nor the other way round
  const other: { at: MonoMs } = { at: wall };
  // @ts-expect-error nor what came over the wire, until somebody says which time it is
  const wired: [MonoMs, WallMs] = [text, text];
  return [duration, mixed, compared, withNumber, sum, stored, other, wired];
}
