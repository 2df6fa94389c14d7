import { RecordedMetrics } from '@fnfleet/core';
import type { AttemptOutcome, LoadReport } from '@fnfleet/protocol';
import { BUSY, FINISHED, MB, needFor, TestView } from './test-view.js';

const metrics = RecordedMetrics.install();
const lost = (reason: 'unreachable' | 'lost' | 'closed'): AttemptOutcome => ({
  kind: 'refused',
  reason,
  error: new Error(reason),
});
const BROKEN: AttemptOutcome = { kind: 'failed', blame: 'runner', error: new Error('broke') };

describe('what is known of a runner that tells nothing', () => {
  it('a refusal holds for a while, and for that function only', async () => {
    const view = new TestView(1);
    view.call(0, BUSY);
    expect(view.at(0).unfitFor(needFor('fn1'))).toBe('refused');
    expect(view.at(0).unfitFor(needFor('fn2'))).toBeUndefined();
    expect(view.at(0).fitAgainAt(needFor('fn1'))).toBe(view.clock.now() + 15);
    await view.clock.advance(15);
    expect(view.at(0).unfitFor(needFor('fn1'))).toBeUndefined();
  });

  it('grows with each refusal, up to a second', async () => {
    const view = new TestView(1);
    const pauses: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      view.call(0, BUSY);
      const until = view.at(0).fitAgainAt(needFor()) ?? 0;
      pauses.push(until - view.clock.now());
      await view.clock.advance(until - view.clock.now());
    }
    expect(pauses).toEqual([15, 30, 60, 120, 240, 480, 750, 750]);
  });

  it('each end of a call there is worth one offer in spite of a refusal', () => {
    const view = new TestView(1);
    view.at(0).offered(needFor('fn2'));
    view.call(0, BUSY, 'fn1');
    view.at(0).ended(needFor('fn2'), FINISHED, 10);
    expect(view.rooms).toContain('r0');
    expect(view.at(0).unfitFor(needFor('fn1'))).toBeUndefined();
    view.at(0).offered(needFor('fn1'));
    expect(view.at(0).unfitFor(needFor('fn1'))).toBe('refused');
  });

  it('a refusal costs one offer, however many free containers were believed in', () => {
    const view = new TestView(1);
    view.tell(0, { freeSlots: 3, memoryUsedBytes: 384 * MB, memoryIdleBytes: 384 * MB }, 'fn1');
    expect(view.at(0).freeSlots('fn1')).toBe(3);
    view.call(0, BUSY, 'fn1');
    expect(view.at(0).freeSlots('fn1')).toBe(0);
    expect(view.at(0).unfitFor(needFor('fn1'))).toBe('refused');
    expect([...view.fleet.snapshot(view.runners).warm('fn1')]).toEqual([]);
  });

  it('when a refusal has run out one call tries, not all that wait', async () => {
    const view = new TestView(1);
    view.call(0, BUSY);
    await view.clock.advance(15);
    view.at(0).offered(needFor());
    expect(view.at(0).unfitFor(needFor())).toBe('refused');
  });

  it('a call that ended well leaves a free container, until that is idle for too long', async () => {
    const view = new TestView(2);
    view.call(1, FINISHED);
    const warm = () => [...view.fleet.snapshot(view.runners).warm('fn1')].map(({ address }) => address);
    expect([warm(), view.at(1).freeSlots('fn1')]).toEqual([['r1'], 1]);
    await view.clock.advance(30_000);
    expect([warm(), view.at(1).freeSlots('fn1')]).toEqual([[], 0]);
  });
});

describe('what is known of a runner that tells its load', () => {
  it('one without room is not asked for a new container, and is for a free one', () => {
    const view = new TestView(1);
    view.tell(0, { memoryUsedBytes: 960 * MB, freeSlots: 1 }, 'fn1');
    expect(view.at(0).unfitFor(needFor('fn2'))).toBe('no room');
    expect(view.at(0).unfitFor(needFor('fn1'))).toBeUndefined();
    view.at(0).offered(needFor('fn1'));
    expect(view.at(0).unfitFor(needFor('fn1'))).toBe('no room');
  });

  it('idle containers count as room', () => {
    const view = new TestView(1);
    view.tell(0, { memoryUsedBytes: 1024 * MB, memoryIdleBytes: 128 * MB });
    expect(view.at(0).unfitFor(needFor('fn2', 128))).toBeUndefined();
    expect(view.at(0).unfitFor(needFor('fn2', 129))).toBe('no room');
  });

  it('room that was offered away is gone until the next report', () => {
    const view = new TestView(1);
    view.tell(0, { memoryUsedBytes: 768 * MB });
    view.at(0).offered(needFor());
    view.at(0).offered(needFor());
    expect(view.at(0).unfitFor(needFor())).toBe('no room');
    view.tell(0, { memoryUsedBytes: 0 });
    expect(view.at(0).unfitFor(needFor())).toBeUndefined();
  });

  it('calls in hand count, also those whose containers a report does not have yet', () => {
    const view = new TestView(1);
    for (let i = 0; i < 8; i += 1) view.at(0).offered(needFor(`fn${i}`));
    view.tell(0, { memoryUsedBytes: 0 });
    expect(view.at(0).unfitFor(needFor('fn9'))).toBe('no room');
    view.at(0).ended(needFor('fn0'), BUSY, 1);
    expect(view.at(0).unfitFor(needFor('fn9'))).toBe('no room');
  });

  it('a call that has ended is room again with the next report, whichever comes first', () => {
    const view = new TestView(1);
    const [first, second] = [needFor('a', 512), needFor('b', 512)];
    view.at(0).offered(first);
    view.at(0).offered(second);
    view.at(0).ended(first, FINISHED, 10);
    view.tell(0, { memoryUsedBytes: 512 * MB });
    expect(view.at(0).unfitFor(needFor('c', 512))).toBeUndefined();
    expect(view.at(0).unfitFor(needFor('c', 513))).toBe('no room');
    view.runners[0]?.onLoad?.({ ...view.at(0).load, memoryUsedBytes: 0 } as LoadReport, second.call);
    view.at(0).ended(second, FINISHED, 10);
    expect(view.at(0).unfitFor(needFor('c', 1024))).toBeUndefined();
  });

  it('what is idle in all tells which free containers have been pushed out: the oldest', () => {
    const view = new TestView(1);
    view.at(0).offered(needFor('old'));
    view.at(0).ended(needFor('old'), FINISHED, 10);
    view.tell(0, { memoryUsedBytes: 128 * MB, memoryIdleBytes: 128 * MB, freeSlots: 1 }, 'old');
    view.tell(0, { memoryUsedBytes: 384 * MB, memoryIdleBytes: 384 * MB, freeSlots: 2 }, 'new');
    expect([view.at(0).freeSlots('old'), view.at(0).freeSlots('new')]).toEqual([1, 2]);
    view.tell(0, { memoryUsedBytes: 384 * MB, memoryIdleBytes: 256 * MB });
    expect([view.at(0).freeSlots('old'), view.at(0).freeSlots('new')]).toEqual([0, 2]);
    expect([...view.fleet.snapshot(view.runners).warm('old')]).toEqual([]);
    view.tell(0, { memoryUsedBytes: 384 * MB, memoryIdleBytes: 0 });
    expect(view.at(0).freeSlots('new')).toBe(0);
  });

  it('an old report keeps nobody from asking', async () => {
    const view = new TestView(1);
    view.tell(0, { memoryUsedBytes: 1024 * MB });
    expect(view.at(0).unfitFor(needFor())).toBe('no room');
    const until = view.at(0).fitAgainAt(needFor()) ?? 0;
    await view.clock.advance(until - view.clock.now());
    expect(view.at(0).unfitFor(needFor())).toBeUndefined();
  });

  it('draining: no calls, until it has told nothing for a while', async () => {
    const view = new TestView(1);
    view.tell(0, { draining: true });
    expect(view.at(0).unfitFor(needFor())).toBe('draining');
    await view.clock.advance(2000);
    expect(view.at(0).unfitFor(needFor())).toBeUndefined();
  });

  it('another process at the same address: nothing that the one before said counts, and it begins slowly', async () => {
    const view = new TestView(1);
    view.tell(0, { freeSlots: 3 }, 'fn1');
    view.call(0, BUSY, 'fn2');
    expect(view.at(0).weight).toBe(1);
    view.tell(0, { instanceId: 'two' });
    expect(view.at(0).freeSlots('fn1')).toBe(0);
    expect(view.at(0).unfitFor(needFor('fn2'))).toBeUndefined();
    expect(view.at(0).weight).toBe(0.1);
    await view.clock.advance(5000);
    expect(view.at(0).weight).toBe(0.5);
    await view.clock.advance(5000);
    expect(view.at(0).weight).toBe(1);
  });
});

describe('a runner that cannot be reached', () => {
  it.each(['unreachable', 'lost'] as const)(
    'with a call (%s) is left alone for a moment, for longer each time',
    async (reason) => {
      const view = new TestView(1);
      const pauses: number[] = [];
      for (let i = 0; i < 8; i += 1) {
        view.call(0, lost(reason));
        expect([view.at(0).unfitFor(needFor('any')), view.at(0).trouble]).toEqual(['unreachable', reason]);
        const until = view.at(0).fitAgainAt(needFor('any')) ?? 0;
        pauses.push(until - view.clock.now());
        await view.clock.advance(until - view.clock.now());
        expect(view.at(0).unfitFor(needFor('any'))).toBeUndefined();
      }
      expect(pauses).toEqual([37.5, 75, 150, 300, 600, 1200, 1500, 1500]);
    },
  );

  it.each`
    what                       | happens
    ${'a call that ends well'} | ${(view: TestView) => view.call(0, FINISHED)}
    ${'a call that fails'}     | ${(view: TestView) => view.call(0, BROKEN)}
    ${'a refusal'}             | ${(view: TestView) => view.call(0, BUSY, 'other')}
    ${'a report'}              | ${(view: TestView) => view.tell(0, {})}
  `('$what shows that it is there', ({ happens }) => {
    const view = new TestView(2);
    view.call(0, lost('unreachable'));
    happens(view);
    expect([view.at(0).unfitFor(needFor('any')), view.at(0).isLost]).toEqual([undefined, false]);
  });

  it('by probes is left to the probes once it has missed two', async () => {
    const view = new TestView(1);
    view.at(0).isNotThere(new Error('gone'));
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 37.5);
    await view.clock.advance(100);
    view.at(0).isNotThere(new Error('gone'));
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 3_000);
  });

  it('and that is closed is gone for good, with all that was known of it', () => {
    const view = new TestView(2);
    view.tell(0, { freeSlots: 1 }, 'fn1');
    view.call(0, lost('closed'), 'fn2');
    expect([view.at(0).unfitFor(needFor()), view.at(0).isGone, view.at(0).freeSlots('fn1')]).toEqual(['gone', true, 0]);
    expect(view.runners[0]?.onLoad).toBeUndefined();
    expect([...view.fleet.snapshot(view.runners).warm('fn1')]).toEqual([]);
  });
});

describe('a runner that fails calls', () => {
  it('is taken out, counted once, and operators are told why', async () => {
    metrics.reset();
    const view = new TestView(10);
    for (let i = 0; i < 7; i += 1) view.call(0, BROKEN);
    expect([view.at(0).isEjected, view.at(0).trouble]).toEqual([true, 'broke']);
    expect(metrics.sum('lb_runner_ejected_count')).toBe(1);
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 10_000);
    await view.clock.advance(10_000);
    view.call(0, BROKEN);
    expect(metrics.sum('lb_runner_ejected_count')).toBe(2);
  });

  it('and is replaced by another process is in again', () => {
    const view = new TestView(10);
    view.tell(0, {});
    for (let i = 0; i < 5; i += 1) view.call(0, BROKEN);
    expect(view.at(0).unfitFor(needFor())).toBe('ejected');
    view.tell(0, { instanceId: 'two' });
    expect(view.at(0).unfitFor(needFor())).toBeUndefined();
  });
});

describe('what a call leaves behind', () => {
  it('one that fails ends no free container, and says nothing of how long calls take', () => {
    const view = new TestView(2);
    view.call(0, BROKEN);
    expect([view.at(0).freeSlots('fn1'), view.at(0).latencyMs('fn1')]).toEqual([0, undefined]);
    view.call(0, FINISHED);
    expect([view.at(0).freeSlots('fn1'), view.at(0).latencyMs('fn1')]).toEqual([1, 10]);
  });

  it('where the runner tells its load, free containers are what it tells', () => {
    const view = new TestView(1);
    view.tell(0, { freeSlots: 0 }, 'fn1');
    view.call(0, FINISHED);
    expect(view.at(0).freeSlots('fn1')).toBe(0);
  });

  it('a report with a call that does not speak of its function changes nothing about free containers', () => {
    const view = new TestView(1);
    view.tell(0, { freeSlots: 2 }, 'fn1');
    view.tell(0, { freeSlots: undefined }, 'fn1');
    expect(view.at(0).freeSlots('fn1')).toBe(2);
  });

  it('a refusal says that nothing is free there for its function', () => {
    const view = new TestView(1);
    view.tell(0, { freeSlots: 2 }, 'fn1');
    view.call(0, BUSY, 'fn1');
    expect(view.at(0).freeSlots('fn1')).toBe(0);
  });

  it('its place in hand is given back, whatever it ended with', () => {
    const view = new TestView(10);
    for (const outcome of [FINISHED, BROKEN, BUSY, lost('unreachable'), lost('closed')]) view.call(0, outcome);
    expect([view.at(0).inFlight, view.fleet.inFlight]).toEqual([0, 0]);
  });

  it('room is announced by every end but a refusal', () => {
    const view = new TestView(2);
    view.rooms.length = 0;
    for (const outcome of [FINISHED, BROKEN, BUSY, lost('unreachable')]) view.call(0, outcome);
    expect(view.rooms).toEqual(['r0', 'r0']);
  });
});

describe('when a runner that is passed over is looked at again', () => {
  it('the reason that runs out first counts', async () => {
    const view = new TestView(1);
    view.tell(0, { draining: true });
    view.call(0, BUSY);
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 15);
    await view.clock.advance(15);
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 1_985);
  });

  it('one that is silent after a tenth of a second', () => {
    const view = new TestView(1);
    Object.assign(view.runners[0] ?? {}, { isUnresponsive: true });
    expect(view.at(0).unfitFor(needFor())).toBe('silent');
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 100);
  });

  it('one whose report has become old, unless it has calls in hand, whose ends bring another', () => {
    const view = new TestView(1);
    view.tell(0, { memoryUsedBytes: 1024 * MB });
    expect(view.at(0).fitAgainAt(needFor())).toBe(view.clock.now() + 2_000);
    view.at(0).offered(needFor());
    expect(view.at(0).fitAgainAt(needFor())).toBeUndefined();
  });
});
