import { FakeClock } from '@fnfleet/core';
import type { LoadReport } from '@fnfleet/protocol';
import { FakeRunner } from '../fake-runner.js';
import type { Candidate, Fleet, PlacerFactory } from '../placer.js';
import { aCall } from '../test-fixture.js';
import { consistentHash } from './consistent-hash.js';
import { busyness } from './orders.js';
import { prequal } from './prequal.js';
import { leastLoaded } from './random.js';
import { warmFirst } from './warm-first.js';

const GIB = 2 ** 30;

describe('how busy a runner is', () => {
  it.each`
    what                                                          | of                                                      | busy
    ${'one that reports nothing: this balancer’s calls'}          | ${{ inFlight: 3 }}                                      | ${4}
    ${'one that reports fewer calls than it has from here'}       | ${{ inFlight: 3, load: { active: 1 } }}                 | ${4}
    ${'one that has calls of other balancers'}                    | ${{ inFlight: 3, load: { active: 7 } }}                 | ${8}
    ${'one of twice the size'}                                    | ${{ inFlight: 3, load: { memoryTotalBytes: 2 * GIB } }} | ${2}
    ${'one that does not know its memory'}                        | ${{ inFlight: 3, load: { memoryTotalBytes: 0 } }}       | ${4}
    ${'a new runner with half of its share counts twice as busy'} | ${{ inFlight: 3, weight: 0.5 }}                         | ${8}
  `('$what', ({ of, busy }) => {
    expect(busyness(runner('r', of))).toBe(busy);
  });
});

describe('least-loaded', () => {
  const two = (randoms: number[], ...candidates: Candidate[]) => orderOf(leastLoaded, fleetOf(candidates), randoms);

  it('of two random runners, the less busy comes first', () => {
    const [idle, busy] = [runner('idle', { inFlight: 0 }), runner('busy', { inFlight: 5 })];
    expect(two([0, 0], idle, busy).slice(0, 2)).toEqual(['idle', 'busy']);
    expect(two([0.5, 0], idle, busy).slice(0, 2)).toEqual(['idle', 'busy']);
  });

  it('of two equally busy ones, the first that was picked', () => {
    const equals = [runner('a'), runner('b'), runner('c')];
    expect(two([0, 0], ...equals).slice(0, 2)).toEqual(['a', 'b']);
    expect(two([0.4, 0.6], ...equals).slice(0, 2)).toEqual(['b', 'a']);
  });

  it('never picks the same runner twice, and any other can be the second', () => {
    const five = ['a', 'b', 'c', 'd', 'e'].map((name) => runner(name));
    const pairs = [0, 0.25, 0.5, 0.75].map((second) => two([0.2, second], ...five).slice(0, 2));
    expect(pairs).toEqual([
      ['b', 'c'],
      ['b', 'd'],
      ['b', 'e'],
      ['b', 'a'],
    ]);
  });

  it('after the two come all, so that a call can be offered to each', () => {
    const three = ['a', 'b', 'c'].map((name) => runner(name));
    expect(two([0.4, 0], ...three).slice(2)).toEqual(['b', 'c', 'a']);
  });

  it('a fleet of one is that runner', () => {
    expect(two([0.9], runner('only'))).toEqual(['only']);
  });
});

describe('ch with bounded loads', () => {
  const names = ['a', 'b', 'c', 'd'];
  const idleOrder = orderOf(consistentHash, fleetOf(names.map((name) => runner(name))));
  const [home, second] = idleOrder;

  /** The same fleet with some calls on the home of the function, and a total number. */
  function orderWith(onHome: Partial<Candidate>, inFlight: number): string[] {
    return orderOf(
      consistentHash,
      fleetOf(
        names.map((name) => runner(name, name === home ? onHome : {})),
        inFlight,
      ),
    );
  }

  it('a function stays at home while that has up to eight calls, however idle the others are', () => {
    expect(orderWith({ inFlight: 7 }, 7)).toEqual(idleOrder);
    expect(orderWith({ inFlight: 8 }, 8)).toEqual([...idleOrder.slice(1), home]);
  });

  it('in a busy fleet it stays while its home is no more than a quarter above the mean', () => {
    // The mean with this call is 40: 50 are too many.
    expect(orderWith({ inFlight: 49 }, 159)[0]).toBe(home);
    expect(orderWith({ inFlight: 50 }, 159)[0]).toBe(second);
  });

  it('a new runner gets less, according to its weight', () => {
    expect(orderWith({ inFlight: 3, weight: 0.5 }, 3)[0]).toBe(home);
    expect(orderWith({ inFlight: 4, weight: 0.5 }, 4)[0]).toBe(second);
  });
});

describe('warm-first', () => {
  const MEMORY = 4 * GIB;
  const load = (usedGib: number, idleGib = 0) => ({
    memoryTotalBytes: MEMORY,
    memoryUsedBytes: usedGib * GIB,
    memoryIdleBytes: idleGib * GIB,
  });

  it('offers a call to the least busy runner with a free container', () => {
    const busy = runner('busy', { inFlight: 4, load: load(0) });
    const calm = runner('calm', { inFlight: 1, load: load(3) });
    const cold = runner('cold', { load: load(0) });
    expect(orderOf(warmFirst, fleetOf([cold, busy, calm], 5, [busy, calm])).slice(0, 2)).toEqual(['calm', 'busy']);
  });

  it('compares eight of many with a free container', () => {
    const warm = Array.from({ length: 12 }, (_, i) => runner(`w${i}`, { inFlight: 12 - i, load: load(0) }));
    const asked = orderOf(warmFirst, fleetOf(warm, 0, warm)).slice(0, 8);
    expect(asked).toEqual(['w7', 'w6', 'w5', 'w4', 'w3', 'w2', 'w1', 'w0']);
  });

  it('if none is free: the runner with the most unreserved memory', () => {
    const runners = [runner('a', { load: load(3) }), runner('b', { load: load(1) }), runner('c', { load: load(2) })];
    expect(orderOf(warmFirst, fleetOf(runners)).slice(0, 3)).toEqual(['b', 'c', 'a']);
  });

  it('among equals: the one that would evict the fewest idle containers', () => {
    const runners = [
      runner('a', { load: load(4, 1) }),
      runner('b', { load: load(4, 3) }),
      runner('c', { load: load(4) }),
    ];
    expect(orderOf(warmFirst, fleetOf(runners)).slice(0, 3)).toEqual(['b', 'a', 'c']);
  });

  it('the memory of a new runner counts according to its weight', () => {
    const runners = [runner('new', { load: load(0, 0), weight: 0.1 }), runner('old', { load: load(3) })];
    expect(orderOf(warmFirst, fleetOf(runners)).slice(0, 2)).toEqual(['old', 'new']);
    const full = [runner('new', { load: load(4, 4), weight: 0.1 }), runner('old', { load: load(4, 1) })];
    expect(orderOf(warmFirst, fleetOf(full)).slice(0, 2)).toEqual(['old', 'new']);
  });

  it.each`
    what                          | of
    ${'reports nothing'}          | ${{ inFlight: 1 }}
    ${'does not know its memory'} | ${{ inFlight: 1, load: { memoryTotalBytes: 0 } }}
  `('with one among them that $what, the load decides for all', ({ of }) => {
    const runners = [
      runner('busy', { inFlight: 9, load: load(0) }),
      runner('odd', of),
      runner('calm', { load: load(4) }),
    ];
    expect(orderOf(warmFirst, fleetOf(runners)).slice(0, 3)).toEqual(['calm', 'odd', 'busy']);
  });

  it.each`
    pulled     | first
    ${'img'}   | ${'this home'}
    ${'other'} | ${'the one with the most room'}
  `('while a home pulls $pulled, a call for img goes to $first', ({ pulled, first }) => {
    const runners = [
      runner('full', { load: load(3) }),
      runner('this home', { load: load(2), isPulling: ({ image }) => image === pulled }),
      runner('the one with the most room', { load: load(0) }),
    ];
    expect(orderOf(warmFirst, fleetOf(runners))[0]).toBe(first);
  });

  it('a free container comes before a home that pulls the image', () => {
    const runners = [runner('pulls', { isPulling: () => true }), runner('warm')];
    expect(orderOf(warmFirst, fleetOf(runners, 0, runners.slice(1)))[0]).toBe('warm');
  });

  it('every runner comes up in the end', () => {
    const runners = Array.from({ length: 20 }, (_, i) => runner(`r${i}`, { load: load(0) }));
    expect(new Set(orderOf(warmFirst, fleetOf(runners), [0.5, 0.5])).size).toBe(20);
  });
});

describe('prequal', () => {
  it('among those that are not hot, the fastest with this function comes first', () => {
    const runners = [
      runner('slow', { inFlight: 0, latencyMs: () => 90 }),
      runner('fast', { inFlight: 1, latencyMs: () => 10 }),
      runner('middling', { inFlight: 1, latencyMs: () => 50 }),
      runner('hot', { inFlight: 9, latencyMs: () => 1 }),
    ];
    expect(orderOf(prequal, fleetOf(runners)).slice(0, 4)).toEqual(['fast', 'middling', 'slow', 'hot']);
  });

  it('a runner that never ran the function is tried; among such the less busy first', () => {
    const runners = [
      runner('fast', { latencyMs: (fnId) => (fnId === 'fn1' ? 10 : undefined) }),
      runner('busy', { inFlight: 2 }),
      runner('idle', { inFlight: 1 }),
      runner('hot', { inFlight: 9 }),
    ];
    expect(orderOf(prequal, fleetOf(runners)).slice(0, 4)).toEqual(['idle', 'busy', 'fast', 'hot']);
  });

  it('of hot runners the one with the fewest calls comes first, wherever it is in the list', () => {
    const calm = Array.from({ length: 11 }, (_, i) => runner(`calm${i}`));
    const hot = [
      runner('hotter', { inFlight: 9, latencyMs: () => 1 }),
      runner('hot', { inFlight: 8, latencyMs: () => 5 }),
    ];
    const asked = orderOf(prequal, fleetOf([...hot, ...calm]));
    expect(asked.slice(11, 13)).toEqual(['hot', 'hotter']);
  });

  it('after the probed ones come all, starting at a random one', () => {
    const runners = ['a', 'b', 'c', 'd'].map((name) => runner(name));
    expect(orderOf(prequal, fleetOf(runners), [0.5]).slice(4)).toEqual(['c', 'd', 'a', 'b']);
  });
});

function orderOf(factory: PlacerFactory, fleet: Fleet, randoms: readonly number[] = [0]): string[] {
  let drawn = 0;
  const random = () => randoms[Math.min(drawn++, randoms.length - 1)] ?? 0;
  const placer = factory.create({ random, clock: new FakeClock() });
  return [...placer.order(aCall({ fnId: 'fn1' }), fleet)].map(({ address }) => address);
}

function fleetOf(candidates: readonly Candidate[], inFlight = 0, warm: readonly Candidate[] = []): Fleet {
  return { candidates, inFlight, warm: (fnId) => (fnId === 'fn1' ? warm : []) };
}

type Parts = Partial<Omit<Candidate, 'load'>> & { readonly load?: Partial<LoadReport> };

/** An idle runner of one GiB about which nothing is known, unless given. */
function runner(address: string, { load, ...parts }: Parts = {}): Candidate {
  return {
    runner: new FakeRunner(address),
    address,
    inFlight: 0,
    load: load && ({ active: 0, memoryTotalBytes: GIB, ...load } as LoadReport),
    freeSlots: () => 0,
    latencyMs: () => undefined,
    isPulling: () => false,
    weight: 1,
    ...parts,
  };
}
