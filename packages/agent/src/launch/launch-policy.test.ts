import { FakeClock, later } from '@fnfleet/core';
import { LaunchPolicy, needsLaunch } from './launch-policy.js';

/** A function that takes 50 ms and whose containers take 400 ms to start. */
function policyOf(clock: FakeClock): LaunchPolicy {
  const policy = new LaunchPolicy(
    clock,
    () => Number.POSITIVE_INFINITY,
    () => undefined,
  );
  policy.recordServiceTime(50);
  policy.recordLaunchTime(400);
  policy.firstContainerReady();
  return policy;
}

/**
 * Serves a call every 10 ms for `limitMs`, after the given waits in turn. Stops early when a call should no longer wait.
 * @returns how long calls were served, milliseconds
 */
async function serveCalls(
  policy: LaunchPolicy,
  clock: FakeClock,
  limitMs: number,
  ...waitsMs: number[]
): Promise<number> {
  const from = clock.now();
  for (let turn = 0; clock.now() - from < limitMs; turn += 1) {
    if (!policy.shouldWait(clock.now(), 3, { hot: 2, starting: 0 })) break;
    await clock.advance(10);
    policy.recordWait(later(clock.now(), -(waitsMs[turn % waitsMs.length] ?? 0)));
  }
  return clock.now() - from;
}

it('Q5: a burst waits for the hot containers', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  await clock.advance(1_000);
  expect(await serveCalls(policy, clock, 150, 100)).toBe(150);
});

it('Q5: another container is launched when calls keep having to wait', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  await clock.advance(1_000);
  const tookMs = await serveCalls(policy, clock, 10_000, 100);
  expect(tookMs).toBeGreaterThanOrEqual(200);
  expect(tookMs).toBeLessThan(300);
});

it('Q5: containers for calls that keep waiting are launched one at a time', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  await clock.advance(1_000);
  await serveCalls(policy, clock, 10_000, 100);
  expect(policy.shouldWait(clock.now(), 3, { hot: 2, starting: 1 })).toBe(true);
  expect(policy.shouldWait(clock.now(), 3, { hot: 2, starting: 0 })).toBe(false);
});

it('Q5: another container is launched even if some calls need not wait, as in a series of bursts', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  await clock.advance(1_000);
  expect(await serveCalls(policy, clock, 10_000, 0, 100, 0, 60)).toBeLessThan(1_000);
});

it('Q5: the wait for the first container is not counted', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  const since = clock.now();
  await clock.advance(10_000);
  policy.firstContainerReady();
  for (let calls = 0; calls < 50; calls += 1) policy.recordWait(since);
  await clock.advance(200);
  expect(policy.shouldWait(clock.now(), 3, { hot: 2, starting: 0 })).toBe(true);
});

it('waits from before a pause are no longer counted', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  await clock.advance(1_000);
  await serveCalls(policy, clock, 10_000, 100);
  await clock.advance(60_000);
  expect(await serveCalls(policy, clock, 150, 100)).toBe(150);
});

it('negligible waits never cause a launch', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  await clock.advance(1_000);
  expect(await serveCalls(policy, clock, 60_000, 1.9)).toBe(60_000);
});

it('Q5: another container is launched when short calls keep having to wait for a moment, however long a launch takes', async () => {
  const clock = new FakeClock();
  const policy = policyOf(clock);
  for (let launches = 0; launches < 30; launches += 1) policy.recordLaunchTime(4_000);
  await clock.advance(3_000);
  expect(await serveCalls(policy, clock, 10_000, 0, 0, 0, 30)).toBeLessThan(4_000);
});

it('Q5: a call waits no longer than the limit, even if a launch takes longer', async () => {
  const clock = new FakeClock();
  let reviews = 0;
  const policy = new LaunchPolicy(
    clock,
    () => 20,
    () => {
      reviews += 1;
    },
  );
  policy.recordServiceTime(10);
  policy.recordLaunchTime(400);
  const containers = { hot: 1, starting: 0 };
  const since = clock.now();
  expect(policy.shouldWait(since, 0, containers)).toBe(true);
  // The second is expected to be served after 20 ms, the third later.
  expect(policy.shouldWait(since, 2, containers)).toBe(false);
  policy.scheduleReview(since, Number.POSITIVE_INFINITY);
  await clock.advance(20);
  expect(reviews).toBe(1);
  expect(policy.shouldWait(since, 0, containers)).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

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

it.each`
  callMs   | negligibleMs
  ${1}     | ${2}
  ${50}    | ${2}
  ${300}   | ${6}
  ${5_000} | ${8.02}
`(
  'lets a call of $callMs ms wait for half of a launch, in whole milliseconds, and ignores $negligibleMs ms',
  ({ callMs, negligibleMs }) => {
    const policy = policyWith(callMs, 401);
    expect(policy.maxWaitMs).toBe(201);
    expect(policy.negligibleWaitMs).toBeCloseTo(negligibleMs);
  },
);

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

it.each`
  waiting | starting | idle  | launch
  ${1}    | ${10}    | ${0}  | ${false}
  ${10}   | ${1}     | ${0}  | ${true}
  ${10}   | ${0}     | ${11} | ${false}
  ${10}   | ${0}     | ${5}  | ${true}
  ${1}    | ${0}     | ${0}  | ${true}
  ${0}    | ${0}     | ${0}  | ${false}
`(
  'agent-and-docker 24: $waiting waiting, $starting starting, $idle idle: launch $launch',
  ({ waiting, starting, idle, launch }) => {
    expect(needsLaunch({ waiting, starting, idle })).toBe(launch);
  },
);
