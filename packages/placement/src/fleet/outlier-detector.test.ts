import { FakeClock } from '@fnfleet/core';
import { type AttemptBlame, type AttemptOutcome, NOTHING_REPORTED } from '@fnfleet/protocol';
import { HEALTH_DEFAULTS, type HealthOptions, OutlierDetector, SlowStart } from './health.js';

const failed = (blame: AttemptBlame): AttemptOutcome => ({ kind: 'failed', blame, error: new Error('broke') });
const FAILED = failed('runner');
const FINISHED: AttemptOutcome = { kind: 'finished', report: NOTHING_REPORTED };

let clock: FakeClock;
let detector: OutlierDetector;
/** Whether the fleet can do without one more runner. */
let mayEject: boolean;
/** How often that was asked. */
let asked: number;
function withOptions(options: Partial<HealthOptions> = {}): void {
  detector = new OutlierDetector({ ...HEALTH_DEFAULTS, ejectFailures: 3, ejectMs: 1_000, ...options });
}
beforeEach(() => {
  clock = new FakeClock();
  mayEject = true;
  asked = 0;
  withOptions();
});

function ends(outcome: AttemptOutcome, times = 1): void {
  for (let i = 0; i < times; i += 1) {
    detector.ended(outcome, clock.now(), () => {
      asked += 1;
      return mayEject;
    });
  }
}

/** How long it is still ejected; 0: it is not. */
const out = () => Math.max(0, detector.ejectedUntil - clock.now());

it('consecutive failures eject a runner for a while', () => {
  ends(FAILED, 2);
  expect([out(), asked]).toEqual([0, 0]);
  ends(FAILED);
  expect([out(), asked]).toEqual([1_000, 1]);
});

it.each`
  between                                                    | isOut
  ${FINISHED}                                                | ${false}
  ${failed('function')}                                      | ${false}
  ${failed('caller')}                                        | ${true}
  ${failed('balancer')}                                      | ${true}
  ${{ kind: 'refused', reason: 'busy', error: new Error() }} | ${true}
`('with $between.kind ($between.blame) between the failures it is ejected: $isOut', ({ between, isOut }) => {
  ends(FAILED, 2);
  ends(between);
  ends(FAILED);
  expect(out() > 0).toBe(isOut);
});

it('while it is ejected, failures of calls in flight do not count', async () => {
  ends(FAILED, 3);
  await clock.advance(999);
  ends(FAILED, 10);
  expect([out(), asked]).toEqual([1, 1]);
});

it('it comes back on probation: one more failure ejects it again, for longer each time', async () => {
  ends(FAILED, 3);
  const times: number[] = [];
  for (let i = 0; i < 12; i += 1) {
    await clock.advance(out());
    ends(FAILED);
    times.push(out() / 1_000);
  }
  expect(times).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10]);
});

it('a successful call ends the probation', async () => {
  ends(FAILED, 3);
  await clock.advance(1_000);
  ends(FINISHED);
  ends(FAILED, 2);
  expect(out()).toBe(0);
});

it.each`
  afterMs  | secondMs
  ${2_000} | ${2_000}
  ${2_001} | ${1_000}
`('a successful call $afterMs ms after the first ejection: the second lasts $secondMs ms', async (row) => {
  ends(FAILED, 3);
  await clock.advance(row.afterMs);
  ends(FINISHED);
  ends(FAILED, 3);
  expect(out()).toBe(row.secondMs);
});

it('where the fleet cannot do without it, it stays, and is ejected as soon as possible', () => {
  mayEject = false;
  ends(FAILED, 5);
  expect([out(), asked]).toEqual([0, 3]);
  mayEject = true;
  ends(FAILED);
  expect(out()).toBe(1_000);
});

it('a limit of 0 failures ejects no runner', () => {
  withOptions({ ejectFailures: 0 });
  ends(FAILED, 100);
  expect([out(), asked]).toEqual([0, 0]);
});

it('a new process at the address starts with a clean record', () => {
  ends(FAILED, 3);
  detector.clear();
  expect(out()).toBe(0);
  ends(FAILED, 2);
  expect(out()).toBe(0);
  ends(FAILED);
  expect(out()).toBe(1_000);
});

describe('a slow start', () => {
  it('has the full share before it begins, then a tenth, then in proportion to the elapsed time', async () => {
    const start = new SlowStart(10_000);
    expect(start.weight(clock.now())).toBe(1);
    start.begin(clock.now());
    const weights: number[] = [];
    for (const ms of [0, 1_000, 1_000, 3_000, 4_999]) {
      await clock.advance(ms);
      weights.push(start.weight(clock.now()));
    }
    expect(weights).toEqual([0.1, 0.1, 0.2, 0.5, 0.9999]);
    await clock.advance(1);
    expect(start.weight(clock.now())).toBe(1);
  });

  it('can begin again', async () => {
    const start = new SlowStart(10_000);
    start.begin(clock.now());
    await clock.advance(20_000);
    expect(start.weight(clock.now())).toBe(1);
    start.begin(clock.now());
    expect(start.weight(clock.now())).toBe(0.1);
  });
});
