import { later, type MonoMs } from '@fnfleet/core';
import { type Effect, LatencyContrast } from './latency-contrast.js';

const PERIOD_MS = 250;
const PART_MS = 50;

let now: MonoMs;
let contrast: LatencyContrast;
/** From 0 to 1. Repeatable, and not regular. */
let random: () => number;
/** Whether asynchronous calls run. */
let isUsed: boolean;

beforeEach(() => {
  now = 1_000 as MonoMs;
  let seed = 1;
  random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  isUsed = true;
  contrast = new LatencyContrast(random, () => isUsed);
});

/** Calls in each millisecond; `took` says how long one takes. @returns the effect that was found most often */
function during(ms: number, took: (isHeld: boolean) => number, calls = 1): Effect | undefined {
  const found: Effect[] = [];
  let owed = 0;
  for (const until = later(now, ms); now < until; now = later(now, 1)) {
    for (owed += calls; owed >= 1; owed -= 1) {
      const part = contrast.begin(now);
      contrast.ended(part, took(contrast.heldMs(now) > 0));
    }
    const effect = contrast.effect();
    if (effect !== undefined) found.push(effect);
  }
  const slower = found.filter((effect) => effect === 'slower').length;
  if (found.length === 0) return undefined;
  return slower > found.length / 2 ? 'slower' : 'none';
}

it.each`
  what                                        | took                                                            | effect
  ${'the same'}                               | ${() => 2}                                                      | ${'none'}
  ${'1.02 times as long beside async calls'}  | ${(isHeld: boolean) => (isHeld ? 2 : 2.04)}                     | ${'slower'}
  ${'twice as long beside async calls'}       | ${(isHeld: boolean) => (isHeld ? 2 : 4)}                        | ${'slower'}
  ${'less'}                                   | ${(isHeld: boolean) => (isHeld ? 2 : 1.5)}                      | ${'none'}
  ${'now 1 and now 3 ms, whatever else runs'} | ${() => 1 + 2 * random()}                                       | ${'none'}
  ${'as much, and 10 % more beside others'}   | ${(isHeld: boolean) => (isHeld ? 1 : 1.1) * (1 + 2 * random())} | ${'slower'}
`('finds the effect on calls of clients that take $what: $effect', ({ took, effect }) => {
  expect(during(60_000, took)).toBe(effect);
});

it.each`
  beside    | effect
  ${0.01}   | ${'none'}
  ${0.0105} | ${'none'}
  ${0.018}  | ${'slower'}
`(
  'sees how many calls of clients wait for long, where that hardly changes the mean: 1 of 100 alone, a share of $beside beside async calls',
  ({ beside, effect }) => {
    // The mean of the logarithm grows by less than 1 %.
    const took = (isHeld: boolean) => (random() < (isHeld ? 0.01 : beside) ? 5 : 2) * (0.9 + 0.2 * random());
    expect(during(60_000, took, 8)).toBe(effect);
  },
);

it.each`
  asyncMs | effect
  ${0}    | ${'none'}
  ${20}   | ${'slower'}
`(
  'sees how many wait for long if clients call four times in 10 ms: 1 of 50 alone, 1 of 30 with $asyncMs ms more beside async calls',
  ({ asyncMs, effect }) => {
    const took = (isHeld: boolean) => 20 + (random() < 0.02 ? 3 : 0) + (!isHeld && random() < 0.013 ? asyncMs : 0);
    expect(during(120_000, (isHeld) => took(isHeld) + random(), 0.4)).toBe(effect);
  },
);

it('learns nothing while no asynchronous call runs', () => {
  isUsed = false;
  expect(during(60_000, () => 2, 8)).toBeUndefined();
  isUsed = true;
  expect(during(60_000, () => 2, 8)).toBe('none');
});

it('follows calls of clients that become slower or quicker for other reasons', () => {
  during(10_000, () => 1 + random(), 8);
  for (const factor of [20, 1]) {
    during(10_000, () => factor * (1 + random()), 8);
    const took = (isHeld: boolean) => (random() < (isHeld ? 0.01 : 0.016) ? 3 : 1) * factor * (1 + 0.1 * random());
    expect(during(60_000, took, 8)).toBe('slower');
  }
});

it('holds asynchronous calls back for a fifth of the time, never at the same place for long', () => {
  const places = new Map<number, number>();
  for (let ms = 0; ms < 40 * PERIOD_MS; ms += 1, now = later(now, 1)) {
    contrast.begin(now);
    if (contrast.heldMs(now) === PART_MS) places.set(ms % PERIOD_MS, (places.get(ms % PERIOD_MS) ?? 0) + 1);
  }
  expect([...places.keys()].toSorted((a, b) => a - b)).toEqual([0, 50, 100, 150, 200]);
  // Not in the first period, in which it learns how often clients call.
  expect([...places.values()].reduce((sum, count) => sum + count, 0)).toBe(39);
});

it('holds nothing back for a few calls of clients, and says nothing about them', () => {
  for (let n = 0; n < 1_000; n += 1, now = later(now, 20)) {
    contrast.ended(contrast.begin(now), n % 2);
    expect(contrast.heldMs(now)).toBe(0);
  }
  expect(contrast.isPossible).toBe(false);
  expect(contrast.effect()).toBeUndefined();
});

it('counts calls that are longer than a period where they began', () => {
  const running: {
    readonly part: ReturnType<LatencyContrast['begin']>;
    readonly startedAt: MonoMs;
    readonly ms: number;
  }[] = [];
  let effect: Effect | undefined;
  for (let n = 0; n < 60_000 && effect === undefined; n += 1, now = later(now, 1)) {
    const part = contrast.begin(now);
    running.push({ part, startedAt: now, ms: part === 'open' ? 700 : 500 });
    while (running[0] !== undefined && later(running[0].startedAt, running[0].ms) <= now) {
      const { part: of, ms } = running.shift() as (typeof running)[number];
      contrast.ended(of, ms);
    }
    effect = contrast.effect();
  }
  expect(effect).toBe('slower');
});

it('does not take a pause of the machine for an effect, and soon knows better', () => {
  const from = now;
  const isPause = () => now - from > PERIOD_MS && now - from < 2 * PERIOD_MS;
  expect(during(60 * PERIOD_MS, (isHeld) => (isPause() && !isHeld ? 1_000 : 1))).toBe('none');
});

it('begins anew after a time without calls', () => {
  during(2 * PERIOD_MS, () => 1);
  expect(contrast.isPossible).toBe(true);
  now = later(now, 60_000);
  expect(contrast.heldMs(now)).toBe(0);
  expect(contrast.isPossible).toBe(false);
});
