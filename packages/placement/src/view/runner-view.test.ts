import type { LoadReport } from '@fnfleet/protocol';
import { BUSY, FINISHED, MB, needFor, TestView } from './test-view.js';

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
    view.tell(0, { incarnation: 'two' });
    expect(view.at(0).freeSlots('fn1')).toBe(0);
    expect(view.at(0).unfitFor(needFor('fn2'))).toBeUndefined();
    expect(view.at(0).weight).toBe(0.1);
    await view.clock.advance(5000);
    expect(view.at(0).weight).toBe(0.5);
    await view.clock.advance(5000);
    expect(view.at(0).weight).toBe(1);
  });
});
