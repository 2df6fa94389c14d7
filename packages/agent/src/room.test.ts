import { Capacity } from './resources/capacity.js';
import { type Resources, ResourceTracker } from './resources/resource-tracker.js';
import { type Evictable, Evictor } from './slots/evictor.js';

const need = (memoryBytes: number, cpuMillis = 0): Resources => ({ memoryBytes, cpuMillis });
const never = new AbortController().signal;

let tracker: ResourceTracker;
let evicted: string[];

/** A machine with a hundred bytes and a thousand thousandths of a core. */
function capacityOf(nonBlocking: boolean): Capacity {
  evicted = [];
  tracker = new ResourceTracker(need(100, 1000));
  return new Capacity(tracker, new Evictor(), nonBlocking);
}

/** An idle container that gives its room back as soon as it is evicted. */
function idle(capacity: Capacity, name: string, of: Resources): Evictable {
  const token = tracker.tryReserve(of);
  const container: Evictable = {
    slotKey: name,
    resources: of,
    isStandby: false,
    evict() {
      evicted.push(name);
      token?.release();
    },
  };
  capacity.idleBegins(container);
  return container;
}

it('free resources are granted at once, without eviction', async () => {
  const capacity = capacityOf(true);
  idle(capacity, 'a', need(50));
  expect((await capacity.acquire(need(50), 'new', never)).resources).toEqual(need(50));
  expect(evicted).toEqual([]);
});

it.each([true, false])(
  'idle containers are evicted when free resources are not enough (non-blocking: %s)',
  async (nonBlocking) => {
    const capacity = capacityOf(nonBlocking);
    for (const name of ['a', 'b', 'c']) idle(capacity, name, need(30));
    await capacity.acquire(need(40), 'new', never);
    expect(evicted).toEqual(['a']);
    expect(capacity.idleMemoryBytes).toBe(60);
  },
);

it('non-blocking: an impossible request is refused at once, without eviction', async () => {
  const capacity = capacityOf(true);
  tracker.tryReserve(need(80));
  idle(capacity, 'a', need(20));
  await expect(capacity.acquire(need(30), 'new', never)).rejects.toMatchObject({ code: 'serverBusy' });
  expect([evicted, tracker.waiting]).toEqual([[], 0]);
});

it('blocking: the request waits, and a container that becomes idle meanwhile is evicted', async () => {
  const capacity = capacityOf(false);
  const busy = tracker.tryReserve(need(80));
  const waiting = capacity.acquire(need(90), 'new', never);
  expect(tracker.waiting).toBe(1);
  capacity.idleBegins({ slotKey: 'a', resources: need(80), isStandby: false, evict: () => busy?.release() });
  expect((await waiting).resources).toEqual(need(90));
});

it('a container that could serve the waiting call itself is spared', async () => {
  const capacity = capacityOf(false);
  idle(capacity, 'mine', need(50));
  tracker.tryReserve(need(50));
  const caller = new AbortController();
  const waiting = capacity.acquire(need(50), 'mine', caller.signal);
  idle(capacity, 'nothing', need(0));
  expect(evicted).toEqual([]);
  caller.abort(new Error('served'));
  await expect(waiting).rejects.toThrow('served');
});

it('resources are freed for the longest waiting request; when it leaves, for the next', async () => {
  const capacity = capacityOf(false);
  const busy = [tracker.tryReserve(need(60)), tracker.tryReserve(need(40))];
  const first = new AbortController();
  const large = capacity.acquire(need(70), 'large', first.signal);
  const small = capacity.acquire(need(20), 'small', never);
  const gone: string[] = [];
  capacity.idleBegins({
    slotKey: 'b',
    resources: need(40),
    isStandby: false,
    evict: () => {
      gone.push('b');
      busy[1]?.release();
    },
  });
  expect(gone).toEqual([]);
  first.abort(new Error('left'));
  await expect(large).rejects.toThrow('left');
  await small;
  expect(gone).toEqual(['b']);
});

it('a container that is busy again is not evicted', async () => {
  const capacity = capacityOf(true);
  const container = idle(capacity, 'a', need(90));
  capacity.idleEnds(container);
  await expect(capacity.acquire(need(20), 'new', never)).rejects.toMatchObject({ code: 'serverBusy' });
});

it.each`
  each             | containers | fits
  ${need(50)}      | ${2}       | ${true}
  ${need(51)}      | ${2}       | ${false}
  ${need(10, 500)} | ${2}       | ${true}
  ${need(10, 501)} | ${2}       | ${false}
  ${need(0)}       | ${9}       | ${true}
`('$containers containers of $each fit beside idle ones that may go: $fits', ({ each, containers, fits }) => {
  const capacity = capacityOf(true);
  idle(capacity, 'a', need(70));
  expect(capacity.hasRoomFor(each, containers)).toBe(fits);
  expect(evicted).toEqual([]);
});

it('spare resources are free ones that no request waits for', async () => {
  const capacity = capacityOf(false);
  idle(capacity, 'a', need(70));
  expect(capacity.acquireSpare(need(31))).toBeUndefined();
  const token = capacity.acquireSpare(need(30));
  expect([token?.resources, evicted]).toEqual([need(30), []]);
});
