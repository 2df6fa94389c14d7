// takes: 7 s
import { FakeClock, systemClock } from '@fnfleet/core';
import { FakeRunner } from '../fake-runner.js';
import { FleetState } from '../fleet/fleet-state.js';
import { HEALTH_DEFAULTS } from '../fleet/health.js';
import type { Placer } from '../placer.js';
import type { Runner } from '../runner.js';
import { aCall } from '../test-fixture.js';
import { placers } from './choose-placer.js';
import { consistentHash } from './consistent-hash.js';
import { fnConsistentHash, fnHash, jump } from './fn-consistent-hash.js';
import { memo, sipHash } from './hash.js';
import { naive } from './random.js';

describe('naive', () => {
  it('protocol 85: starts anywhere and returns each runner once', () => {
    const at = (random: number) => order(naive.create({ random: () => random, clock: systemClock }), 'fn1', fleet(4));
    expect(at(0)).toEqual(['r0', 'r1', 'r2', 'r3']);
    expect(at(0.5)).toEqual(['r2', 'r3', 'r0', 'r1']);
    expect(at(0.9999)).toEqual(['r3', 'r0', 'r1', 'r2']);
  });
});

describe("ch-fn, Fn's own order", () => {
  it('gives the published SipHash-2-4 value', () => {
    expect(
      sipHash(
        Buffer.from(Uint8Array.from({ length: 15 }, (_, i) => i)).toString('latin1'),
        0x0706050403020100n,
        0x0f0e0d0c0b0a0908n,
      ),
    ).toBe(0xa129ca6149be45e5n);
  });

  it.each`
    fnId                            | hash                  | starts
    ${''}                           | ${'4dccf8f6e62ea9ad'} | ${[0, 0, 2, 2, 2, 6, 6, 6, 21]}
    ${'fn1'}                        | ${'d0c0253bfd66ccea'} | ${[0, 0, 0, 0, 0, 0, 0, 10, 94]}
    ${'hello'}                      | ${'5868f78376cd7df3'} | ${[0, 0, 2, 2, 2, 2, 2, 2, 33]}
    ${'01AN4Z07BY79KA1307SR9X4MV3'} | ${'aa835ed9487a44d6'} | ${[0, 0, 2, 2, 2, 6, 6, 6, 87]}
    ${'01D0000000NG8G00GZJ0000001'} | ${'f5d4da3cbfdc081f'} | ${[0, 0, 2, 2, 2, 2, 9, 9, 63]}
  `('protocol 82: "$fnId" hashes to $hash', ({ fnId, hash, starts }) => {
    expect(fnHash(fnId).toString(16)).toBe(hash);
    expect([1, 2, 3, 4, 5, 8, 10, 16, 100].map((n) => jump(fnHash(fnId), n))).toEqual(starts);
  });

  it('protocol 83: two runners: all start at the first; in no fleet does a function start at the second', () => {
    const hashes = ids(300).map(fnHash);
    expect(hashes.map((hash) => jump(hash, 2))).toEqual(hashes.map(() => 0));
    for (let n = 3; n < 12; n += 1) expect(hashes.map((hash) => jump(hash, n))).not.toContain(1);
  });

  it('ends where Fn would divide by zero', () => {
    // The inverse of one step: after it, the upper 31 bits are all zero.
    const inverse = modularInverse(2862933555777941757n);
    const hash = ((5n - 1n) * inverse) & ((1n << 64n) - 1n);
    expect(jump(hash, 1000)).toBe(0);
  });

  it('protocol 84: continues from its start and wraps around', () => {
    expect(order(fnConsistentHash.create({ random: Math.random, clock: systemClock }), 'hello', fleet(5))).toEqual([
      'r2',
      'r3',
      'r4',
      'r0',
      'r1',
    ]);
  });
});

describe('ch', () => {
  const placer = consistentHash.create({ random: Math.random, clock: systemClock });
  const firstOf = (runners: readonly Runner[]) => (fnId: string) => order(placer, fnId, runners)[0];

  it('returns each runner once, and always in the same order, however the list is sorted', () => {
    const runners = fleet(7);
    const asked = order(placer, 'fn1', runners);
    expect([...asked].sort()).toEqual(runners.map(({ address }) => address));
    expect(
      order(consistentHash.create({ random: Math.random, clock: systemClock }), 'fn1', [...runners].reverse()),
    ).toEqual(asked);
  });

  it.each([2, 3, 5, 10])('spreads functions evenly over %i runners', (n) => {
    const counts = tally(ids(20_000).map(firstOf(fleet(n))));
    expect(counts.size).toBe(n);
    for (const share of counts.values()) expect(Math.abs(share / (20_000 / n) - 1)).toBeLessThan(0.1);
  });

  it('moves only the functions of a runner that leaves, and spreads them over all others', () => {
    const before = fleet(5);
    const after = before.filter(({ address }) => address !== 'r3');
    const functions = ids(5000);
    const moved = functions.filter((fnId) => firstOf(before)(fnId) !== firstOf(after)(fnId));

    expect(moved.map(firstOf(before)).every((address) => address === 'r3')).toBe(true);
    expect(tally(moved.map(firstOf(after))).size).toBe(4);
  });

  it('gives a runner that joins a fair share, taken from all', () => {
    const functions = ids(5000);
    const moved = functions.filter((fnId) => firstOf(fleet(4))(fnId) !== firstOf(fleet(5))(fnId));

    expect(moved.map(firstOf(fleet(5))).every((address) => address === 'r4')).toBe(true);
    expect(moved.length / functions.length).toBeCloseTo(1 / 5, 1);
    expect(tally(moved.map(firstOf(fleet(4)))).size).toBe(4);
  });

  it('a full first choice sends its functions to different second choices', () => {
    const runners = fleet(5);
    const onFirst = ids(5000).filter((fnId) => firstOf(runners)(fnId) === 'r0');
    expect(tally(onFirst.map((fnId) => order(placer, fnId, runners)[1])).size).toBe(4);
  });
});

describe('the registry', () => {
  it('answers an unknown name with the valid ones', () => {
    expect(placers.get('ch')).toBe(consistentHash);
    expect(() => placers.get('chh')).toThrow(
      'FN_PLACER: unknown placer "chh"; known: naive, ch, ch-fn, least-loaded, warm-first, prequal',
    );
  });
});

it('a memo forgets instead of growing without bound', () => {
  let computed = 0;
  const lengthOf = memo((key) => {
    computed += 1;
    return key.length;
  }, 2);
  expect(['a', 'a', 'bb', 'ccc', 'a'].map(lengthOf)).toEqual([1, 1, 2, 3, 1]);
  expect(computed).toBe(4);
});

function fleet(size: number): Runner[] {
  return Array.from({ length: size }, (_, i) => new FakeRunner(`r${i}`));
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `01D0000000NG8G00GZJ${String(i).padStart(7, '0')}`);
}

function order(placer: Placer, fnId: string, runners: readonly Runner[]): string[] {
  return [...placer.order(aCall({ fnId }), fleetOf(runners))].map(({ address }) => address);
}

const clock = new FakeClock();
const fleetState = new FleetState({
  health: HEALTH_DEFAULTS,
  now: () => clock.now(),
  wallNow: () => clock.wallNow(),
  random: Math.random,
  onCapacity: () => undefined,
});
const fleetOf = (runners: readonly Runner[]) => fleetState.snapshot(runners);

function tally<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

/** Of an odd number, modulo 2^64. */
function modularInverse(value: bigint): bigint {
  let inverse = value;
  for (let i = 0; i < 6; i += 1) inverse = (inverse * (2n - value * inverse)) & ((1n << 64n) - 1n);
  return inverse;
}
