import { FakeClock } from './fake-clock.js';
import { Deferred, InflightTracker, Listeners, Once } from './lifecycle.js';

describe('work in flight', () => {
  it('is waited for', async () => {
    const clock = new FakeClock();
    const work = new InflightTracker(clock);
    const leaveOne = work.enter();
    const leaveTwo = work.enter();
    const ended: string[] = [];
    const patient = work.whenIdle().then((result) => ended.push(`patient ${result}`));
    const bounded = work.whenIdle(1000).then((result) => ended.push(`bounded ${result}`));

    leaveOne();
    leaveOne(); // ends its own piece of work only
    await clock.advance(999);
    expect(work.size).toBe(1);
    expect(ended).toEqual([]);

    leaveTwo();
    await Promise.all([patient, bounded]);
    expect(ended).toEqual(['patient drained', 'bounded drained']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is abandoned when the grace is over', async () => {
    const clock = new FakeClock();
    const work = new InflightTracker(clock);
    const leave = work.enter();
    const idle = work.whenIdle(1000);
    await clock.advance(1000);
    expect(await idle).toBe('expired');
    leave();
    expect(await work.whenIdle(0)).toBe('drained');
  });
});

describe('once', () => {
  it('runs an action once, and all callers share the result', async () => {
    let runs = 0;
    const once = new Once(async () => {
      runs += 1;
      return runs;
    });
    expect(once.called).toBe(false);
    expect(await Promise.all([once.call(), once.call()])).toEqual([1, 1]);
    expect(once.called).toBe(true);
  });

  it('shares a failure as well', async () => {
    const once = new Once(() => Promise.reject(new Error('no')));
    await expect(once.call()).rejects.toThrow('no');
    await expect(once.call()).rejects.toThrow('no');
  });
});

describe('a deferred promise', () => {
  it('settles once', async () => {
    const deferred = new Deferred<number>();
    deferred.resolve(1);
    deferred.resolve(2);
    deferred.reject(new Error('late'));
    expect(await deferred.promise).toBe(1);
  });
});

describe('listeners', () => {
  let listeners: Listeners<[what: string]>;
  let heard: string[];
  beforeEach(() => {
    listeners = new Listeners();
    heard = [];
  });

  const subscribe = (name: string) => listeners.subscribe((what) => heard.push(`${name} ${what}`));

  it('every listener receives an event, in the order of subscription', () => {
    subscribe('a');
    subscribe('b');
    listeners.emit('x');
    expect(heard).toEqual(['a x', 'b x']);
  });

  it('a listener that unsubscribes receives nothing more, and doing so twice affects no other', () => {
    const unsubscribe = subscribe('a');
    subscribe('b');
    unsubscribe();
    unsubscribe();
    listeners.emit('x');
    expect(heard).toEqual(['b x']);
    expect(listeners.isEmpty).toBe(false);
  });

  it('the same listener may be subscribed twice, and each subscription ends by itself', () => {
    const listener = (what: string) => heard.push(what);
    const [first, second] = [listeners.subscribe(listener), listeners.subscribe(listener)];
    first();
    listeners.emit('x');
    expect(heard).toEqual(['x']);
    second();
    expect(listeners.isEmpty).toBe(true);
  });

  it('a listener that unsubscribes during an event takes nothing from the others', () => {
    const unsubscribe = listeners.subscribe(() => unsubscribe());
    subscribe('b');
    listeners.emit('x');
    expect(heard).toEqual(['b x']);
  });
});
