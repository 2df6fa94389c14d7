import { type LogFields, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { HealthState } from '@fnfleet/drivers';
import { LaunchGuard, LaunchLimiter } from './launch-limits.js';

describe('the launch limiter', () => {
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
    const caller = new AbortController();
    const waiting = limiter.acquire(caller.signal);
    const next = limiter.acquire(never);
    caller.abort(new Error('gave up'));
    await expect(waiting).rejects.toThrow('gave up');
    await expect(limiter.acquire(caller.signal)).rejects.toThrow('gave up');
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
});

describe('the launch guard', () => {
  const metrics = RecordedMetrics.install();

  let health: HealthState;
  let refused: number;
  let said: string[];
  const logger: Logger = {
    ...silentLogger,
    info: (what) => void said.push(`info ${what}`),
    warn: (what, fields?: LogFields) => void said.push(`warn ${what} ${fields?.reason}`),
  };
  const newGuard = () =>
    new LaunchGuard(health, logger, () => {
      refused += 1;
    });
  const degraded = () => metrics.sum('runner_degraded');

  beforeEach(() => {
    metrics.reset();
    health = new HealthState();
    refused = 0;
    said = [];
  });

  it.each(['before', 'after'])(
    'refuses launches, with the reason, when the engine fails %s the guard is created',
    (when) => {
      if (when === 'before') health.degrade('it hangs');
      const guard = newGuard();
      if (when === 'after') {
        expect([guard.refusal(), refused, degraded(), said]).toEqual([undefined, 0, 0, []]);
        health.degrade('it hangs');
      }
      expect(guard.refusal()).toMatchObject({ code: 'serverBusy', cause: { message: 'no new containers: it hangs' } });
      expect([refused, degraded(), said]).toEqual([1, 1, [expect.stringMatching(/^warn degraded.* it hangs$/)]]);

      health.recover();
      expect([guard.refusal(), refused, degraded(), said[1]]).toEqual([
        undefined,
        1,
        0,
        'info no longer degraded: new containers can be created',
      ]);
      guard.close();
      expect(degraded()).toBe(0);
    },
  );

  it('a guard closed while degraded is no longer counted and ignores later changes', () => {
    const guard = newGuard();
    health.degrade('it hangs');
    guard.close();
    health.recover();
    health.degrade('again');
    expect([refused, degraded(), said.length]).toEqual([1, 0, 1]);
  });
});
