// takes: 7 s
import { count, RecordedMetrics } from '@fnfleet/core';
import fc from 'fast-check';
import { type CallStep, ScheduleWorld } from './test-kit/schedule-world.js';
import { NOTHING_LEFT } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

/** What a call may end with in such a world. Anything else is a call that was lost. */
const OUTCOMES = new Set([
  'ok',
  'serverBusy',
  'CancelledError',
  'callTimeout',
  'containerInitFailed',
  // Time is faster than sockets here.
  'containerInitTimeout',
  'functionFailed',
  'functionResponse',
  'functionInvalidResponse',
]);

type Step =
  | { readonly does: 'call'; readonly call: CallStep; readonly times: number }
  | { readonly does: 'pass'; readonly ms: number }
  | { readonly does: 'leave' | 'exit' | 'failStarts'; readonly number: number }
  | { readonly does: 'engine'; readonly state: 'ok' | 'degraded' };

const call: fc.Arbitrary<CallStep> = fc.record({
  fn: fc.nat({ max: 3 }),
  behaviour: fc.oneof(
    { weight: 6, arbitrary: fc.constant('answer' as const) },
    { weight: 2, arbitrary: fc.constantFrom('fail', 'nonsense', 'exit', 'hang') },
  ),
  takesMs: fc.constantFrom(0, 10, 400, 2_500),
  deadlineMs: fc.option(fc.constantFrom(0, 100, 2_000, 6_000), { nil: undefined, freq: 4 }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ does: fc.constant('call' as const), call, times: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant('pass' as const), ms: fc.constantFrom(0, 50, 300, 1_000, 4_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constantFrom('leave', 'exit', 'failStarts'), number: fc.nat({ max: 30 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('engine' as const), state: fc.constantFrom('ok', 'degraded') }),
  },
);

async function take(world: ScheduleWorld, next: Step): Promise<void> {
  switch (next.does) {
    case 'call':
      for (let times = 0; times < next.times; times += 1) await world.call(next.call);
      return;
    case 'pass':
      return world.pass(next.ms);
    case 'leave':
      return world.leave(next.number);
    case 'exit':
      return world.exit(next.number);
    case 'failStarts':
      return world.failStarts(next.number % 3);
    case 'engine':
      return world.engine(next.state);
  }
}

/**
 * Whatever comes in whatever order: every call is answered once and with the right thing, no container has two, no more
 * is promised than there is, no call waits beside an idle container, and in the end nothing is left. `shutDown` cuts it
 * off in the middle.
 */
async function holds(steps: readonly Step[], nonBlocking: boolean, shutDown: boolean): Promise<void> {
  metrics.reset();
  const world = new ScheduleWorld(nonBlocking, metrics);
  for (const next of steps) {
    await take(world, next);
    await world.check();
  }
  if (shutDown) await Promise.all([world.test.agent.close(), world.pass(5_000)]);
  const outcomes = await world.finish();
  const left = await world.test.leftovers(metrics);
  expect(world.violations).toEqual([]);
  expect(outcomes.filter((outcome) => !OUTCOMES.has(outcome))).toEqual([]);
  expect(left).toEqual(NOTHING_LEFT);
}

describe.each([true, false])('any schedule (non-blocking: %s)', (nonBlocking) => {
  it('agent-and-docker 21, 23, 47, 50, 88: loses no call, shares no container, leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), fc.boolean(), (steps, shutDown) =>
        holds(steps, nonBlocking, shutDown),
      ),
      { numRuns: 100, seed: 20_261_124 },
    );
  }, 120_000);
});
