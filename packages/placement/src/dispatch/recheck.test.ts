import { FakeClock, later, type MonoMs } from '@fnfleet/core';
import type { RunnerState } from '../fleet/runner-state.js';
import { requestFor } from '../test-fixture.js';
import { Recheck } from './recheck.js';

const NEED = requestFor();

let clock: FakeClock;
let recheck: Recheck;
/** Which runners were rechecked, and when. */
let looked: [name: string, ms: number][];
let from: MonoMs;
beforeEach(() => {
  clock = new FakeClock();
  from = clock.now();
  looked = [];
  recheck = new Recheck(clock, (state) => looked.push([state.address, clock.now() - from]));
});
afterEach(() => {
  recheck.close();
  expect(clock.pendingTimers).toBe(0);
});

/** A runner that is eligible again after this time; undefined: only after an event. */
const runner = (address: string, fits: { afterMs: number | undefined }) =>
  ({
    address,
    eligibleAgainAt: () => (fits.afterMs === undefined ? undefined : later(from, fits.afterMs)),
  }) as unknown as RunnerState;

it('checks a runner again when its reason has expired, and not before', async () => {
  recheck.when(runner('a', { afterMs: 500 }), NEED);
  await clock.advance(499);
  expect(looked).toEqual([]);
  await clock.advance(1);
  expect(looked).toEqual([['a', 500]]);
});

it('does not wait for a reason that ends only with an event', () => {
  recheck.when(runner('a', { afterMs: undefined }), NEED);
  expect(clock.pendingTimers).toBe(0);
});

it('checks a moment later, not within the call, when the reason has just expired', async () => {
  recheck.when(runner('a', { afterMs: 0 }), NEED);
  expect(looked).toEqual([]);
  await clock.advance(1);
  expect(looked).toEqual([['a', 1]]);
});

it('has one timer per runner, for the reason that expires first', async () => {
  const fits = { afterMs: 500 };
  const a = runner('a', fits);
  recheck.when(a, NEED);
  fits.afterMs = 900;
  recheck.when(a, NEED);
  fits.afterMs = 200;
  recheck.when(a, NEED);
  recheck.when(runner('b', { afterMs: 300 }), NEED);
  expect(clock.pendingTimers).toBe(2);
  await clock.advance(1_000);
  expect(looked).toEqual([
    ['a', 200],
    ['b', 300],
  ]);
  fits.afterMs = 1_500;
  recheck.when(a, NEED);
  await clock.advance(500);
  expect(looked.slice(2)).toEqual([['a', 1_500]]);
});
