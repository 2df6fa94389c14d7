import { FakeClock } from '@fnfleet/core';
import { LaunchPolicy } from './launch-policy.js';

function newPolicy(): LaunchPolicy {
  return new LaunchPolicy(
    new FakeClock(),
    () => Number.POSITIVE_INFINITY,
    () => undefined,
  );
}

function policyWith(serviceMs: number, launchMs: number): LaunchPolicy {
  const policy = newPolicy();
  policy.recordServiceTime(serviceMs);
  policy.recordLaunchTime(launchMs);
  return policy;
}

it.each`
  title                                                           | serviceMs | launchMs | before | hot  | soon
  ${'a fast function serves a long queue in time'}                | ${1}      | ${400}   | ${60}  | ${2} | ${true}
  ${'a longer queue takes too long'}                              | ${1}      | ${400}   | ${600} | ${2} | ${false}
  ${'a call of a slow function does not wait for hot containers'} | ${5000}   | ${400}   | ${0}   | ${1} | ${false}
  ${'a call does not wait when no container is hot'}              | ${1}      | ${400}   | ${0}   | ${0} | ${false}
`('$title', ({ serviceMs, launchMs, before, hot, soon }) => {
  const policy = policyWith(serviceMs, launchMs);
  expect(policy.isServedWithin(policy.maxWaitMs, before, hot)).toBe(soon);
});

it('has no estimate before the first call has been served', () => {
  const policy = newPolicy();
  policy.recordLaunchTime(400);
  expect(policy.isServedWithin(1000, 0, 5)).toBe(false);
});

it('adapts to a function whose service time changes', () => {
  const policy = policyWith(1, 400);
  for (let i = 0; i < 30; i += 1) policy.recordServiceTime(1000);
  expect(policy.isServedWithin(200, 0, 1)).toBe(false);
});

it('lets a call wait for half of a launch, in whole milliseconds, and ignores waits below a fiftieth of one', () => {
  const policy = policyWith(1, 401);
  expect(policy.maxWaitMs).toBe(201);
  expect(policy.negligibleWaitMs).toBeCloseTo(8.02);
});

it('lets no call wait before the first launch', () => {
  const policy = newPolicy();
  expect([policy.maxWaitMs, policy.negligibleWaitMs]).toEqual([0, 0]);
});

it.each`
  before | hot  | withinMs | soon
  ${0}   | ${1} | ${10}    | ${true}
  ${0}   | ${1} | ${9}     | ${false}
  ${3}   | ${2} | ${20}    | ${true}
  ${3}   | ${2} | ${19}    | ${false}
`(
  'a call of 10 ms with $before calls ahead of it and $hot hot containers is served within $withinMs ms: $soon',
  (row) => {
    expect(policyWith(10, 400).isServedWithin(row.withinMs, row.before, row.hot)).toBe(row.soon);
  },
);

it('gives the newest call and the newest launch a weight of one fifth', () => {
  const policy = policyWith(100, 400);
  policy.recordServiceTime(200);
  expect([policy.isServedWithin(120, 0, 1), policy.isServedWithin(119, 0, 1)]).toEqual([true, false]);
  policy.recordLaunchTime(900);
  expect(policy.maxWaitMs).toBe(250);
});
