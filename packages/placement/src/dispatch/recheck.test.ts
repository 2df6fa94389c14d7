import { FakeClock, later, type MonoMs } from '@fnfleet/core';
import type { RunnerState } from '../fleet/runner-state.js';
import { requestFor } from '../fleet/test-fixture.js';
import { Recheck } from './recheck.js';

const NEED = requestFor();

let clock: FakeClock;
let recheck: Recheck;
/** Who was looked at again, and when. */
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

/** A runner that is fit again after so long; undefined: not before an event. */
const runner = (address: string, fits: { afterMs: number | undefined }) =>
  ({
    address,
    eligibleAgainAt: () => (fits.afterMs === undefined ? undefined : later(from, fits.afterMs)),
  }) as unknown as RunnerState;

it('looks at a runner again when its reason has run out, and not before', async () => {
  recheck.when(runner('a', { afterMs: 500 }), NEED);
  await clock.advance(499);
  expect(looked).toEqual([]);
  await clock.advance(1);
  expect(looked).toEqual([['a', 500]]);
});

it('one whose reason ends only with an event is not waited for', () => {
  recheck.when(runner('a', { afterMs: undefined }), NEED);
  expect(clock.pendingTimers).toBe(0);
});

it('one whose reason has just run out is looked at a moment later, not within the call', async () => {
  recheck.when(runner('a', { afterMs: 0 }), NEED);
  expect(looked).toEqual([]);
  await clock.advance(1);
  expect(looked).toEqual([['a', 1]]);
});

it('has one timer a runner, for the reason that runs out first', async () => {
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
