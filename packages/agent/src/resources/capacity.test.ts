import { count, FakeClock, later, MIB, RecordedMetrics } from '@fnfleet/core';
import { withDeadline } from '../call/call-options.js';
import { type Evictable, Evictor } from '../slots/evictor.js';
import { echo, HeldFunction, type Invocation, NOTHING_LEFT, outcomeOf, TestAgent } from '../test-kit/test-agent.js';
import { Capacity } from './capacity.js';
import { type Resources, ResourceTracker } from './resource-tracker.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

describe('resources for containers', () => {
  let test: TestAgent;
  let held: HeldFunction;

  const setUp = (memoryMb: number, nonBlocking: boolean, clock?: FakeClock) => {
    held = new HeldFunction();
    test = new TestAgent({ held, echo, other: echo }, { memoryMb, settings: { nonBlocking }, ...(clock && { clock }) });
  };
  const several = (number: number, call: Parameters<TestAgent['invoke']>[0]): Promise<Invocation[]> =>
    Promise.all(Array.from({ length: number }, () => test.invoke(call)));

  beforeEach(() => metrics.reset());
  afterEach(async () => {
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  it('agent-and-docker 42: in non-blocking mode a call without room gets 503 at once', async () => {
    setUp(280, true);
    const calls = await several(20, { image: 'held', memoryMb: 50 });
    await held.arrived(5);
    for (let i = 0; i < 5; i += 1) held.answer(i);
    const outcomes = await Promise.all(calls.map(({ done }) => outcomeOf(done)));
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === 'serverBusy')).toHaveLength(15);
    expect(metrics.sum('server_busy')).toBe(15);
  });

  it('agent-and-docker 43: in blocking mode it waits until others have finished', async () => {
    setUp(280, false);
    const calls = await several(20, { image: 'held', memoryMb: 50 });
    for (let i = 0; i < 20; i += 1) {
      await held.arrived(i + 1);
      held.answer(i);
    }
    await Promise.all(calls.map(({ done }) => done));
    expect(test.driver.counters.peak).toBe(5);
  });

  it('agent-and-docker 44: a busy container of another function is not evicted', async () => {
    setUp(160, true);
    const busy = await test.invoke({ image: 'held', memoryMb: 128 });
    await held.arrived(1);
    expect(await test.outcome({ memoryMb: 128 })).toBe('serverBusy');
    held.answer(0);
    await busy.done;
  });

  it.each([true, false])(
    'agent-and-docker 44: an idle container is evicted (non-blocking: %s)',
    async (nonBlocking) => {
      setUp(160, nonBlocking);
      await test.answer({ image: 'other', memoryMb: 128 });
      await test.answer({ memoryMb: 128 });
      expect(test.driver.counters).toMatchObject({ created: 2, peak: 1 });
    },
  );

  it('agent-and-docker 44: in blocking mode a call gets the resources of a container that becomes idle later', async () => {
    setUp(160, false);
    const busy = await test.invoke({ image: 'held', memoryMb: 128 });
    await held.arrived(1);
    const waiting = await test.invoke({ memoryMb: 128 });
    held.answer(0);
    await Promise.all([busy.done, waiting.done]);
    expect(test.driver.counters).toMatchObject({ created: 2, peak: 1 });
  });

  it('agent-and-docker 45: a container that is still starting is not evicted', async () => {
    setUp(160, true);
    test.driver.gates.start.hold();
    const starting = await test.invoke({ image: 'other', memoryMb: 128 });
    await test.driver.gates.start.reached();
    expect(await test.outcome({ memoryMb: 128 })).toBe('serverBusy');
    test.driver.gates.start.release();
    await starting.done;
    expect(test.driver.counters.created).toBe(1);
  });

  it('agent-and-docker 45, 61: a container whose image is being pulled is not evicted', async () => {
    setUp(160, true);
    test.driver.gates.pull.hold(({ image }) => image === 'other');
    const pulling = await test.invoke({ image: 'other', memoryMb: 128 });
    await test.driver.gates.pull.reached();
    expect(await test.outcome({ memoryMb: 128 })).toBe('serverBusy');
    test.driver.gates.pull.release();
    await pulling.done;
    expect(test.driver.counters.created).toBe(1);
  });

  it('agent-and-docker 46: two idle containers are evicted if two are needed, and the newest survives', async () => {
    setUp(300, true);
    for (const config of [{ N: '1' }, { N: '2' }, { N: '3' }]) await test.answer({ memoryMb: 100, config });
    await test.answer({ image: 'other', memoryMb: 200 });
    expect(test.driver.containers.map(({ spec }) => spec.env.N)).toEqual(['3', undefined]);
  });

  it('agent-and-docker 47: a call that waits for an eviction gets the resources only when the container is gone', async () => {
    setUp(160, true);
    await test.answer({ image: 'other', memoryMb: 128 });
    test.driver.gates.close.hold();
    const waiting = await test.invoke({ memoryMb: 128 });
    await test.driver.gates.close.reached();
    expect(test.agent.utilization.memoryUsedBytes).toBe(128 * MIB);
    expect(test.driver.counters.created).toBe(1);
    expect(await test.outcome({ memoryMb: 128, config: { N: 'third' } })).toBe('serverBusy');
    test.driver.gates.close.release();
    await waiting.done;
    expect(test.driver.counters).toMatchObject({ created: 2, peak: 1 });
  });

  it('agent-and-docker 48: a call that needs nothing always gets a container', async () => {
    setUp(160, true);
    const busy = await test.invoke({ image: 'held', memoryMb: 160 });
    await held.arrived(1);
    await test.answer({ memoryMb: 0, cpuMillis: 0 });
    held.answer(0);
    await busy.done;
  });

  it('agent-and-docker 50: memory, /tmp and CPU are all reserved while the container lives, idle or not', async () => {
    setUp(1000, true);
    await test.answer({ memoryMb: 100, tmpfsMb: 20, cpuMillis: 500 });
    expect(test.agent.utilization).toEqual({
      memoryUsedBytes: 120 * MIB,
      memoryTotalBytes: 1000 * MIB,
      memoryIdleBytes: 120 * MIB,
      cpuUsedMillis: 500,
      cpuTotalMillis: 8000,
    });
    expect(metrics.sum('util_mem_used')).toBe(120 * MIB);
    expect(metrics.sum('util_cpu_used')).toBe(500);
  });

  it('a call whose deadline passes while it waits for room blocks no other call', async () => {
    const clock = new FakeClock();
    setUp(200, false, clock);
    const busy = await test.invoke({ image: 'held', memoryMb: 120 });
    await held.arrived(1);
    const big = await test.invoke({ memoryMb: 190, options: [withDeadline(later(clock.now(), 1_000))] });
    const small = await test.invoke({ image: 'other', memoryMb: 50 });
    await clock.advance(999);
    expect(test.driver.counters.created).toBe(1);
    await clock.advance(1);
    expect(await outcomeOf(big.done)).toBe('serverBusy');
    await small.done;
    held.answer(0);
    await busy.done;
  });

  it('Q4: a call that is served elsewhere leaves the queue for room', async () => {
    setUp(160, false);
    const first = await test.invoke({ image: 'held', memoryMb: 128 });
    await held.arrived(1);
    const second = await test.invoke({ image: 'held', memoryMb: 128 });
    held.answer(0);
    await first.done;
    await held.arrived(2);
    // Nothing of the second call's launch is left: it would take the room that this call needs.
    const other = await test.invoke({ memoryMb: 32 });
    await other.done;
    held.answer(1);
    await second.done;
    expect(test.driver.counters.created).toBe(2);
  });
});

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
`(
  'there is room for $containers containers of $each, if idle ones are evicted: $fits',
  ({ each, containers, fits }) => {
    const capacity = capacityOf(true);
    idle(capacity, 'a', need(70));
    expect(capacity.hasRoomFor(each, containers)).toBe(fits);
    expect(evicted).toEqual([]);
  },
);

it('spare resources are free ones that no request waits for', async () => {
  const capacity = capacityOf(false);
  idle(capacity, 'a', need(70));
  expect(capacity.acquireSpare(need(31))).toBeUndefined();
  const token = capacity.acquireSpare(need(30));
  expect([token?.resources, evicted]).toEqual([need(30), []]);
});
