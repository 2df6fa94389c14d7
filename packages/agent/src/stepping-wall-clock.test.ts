import { count, FakeClock, later, RecordedMetrics } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import { withDeadline } from './call/call-options.js';
import { LaunchPolicy } from './launch/launch-policy.js';
import { echo, HeldFunction, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

const HOUR_MS = 3_600_000;
const metrics = RecordedMetrics.install();
count('calls', 0);

beforeEach(() => metrics.reset());

describe.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('the wall clock steps %s by an hour', (_, stepMs) => {
  let clock: FakeClock;
  let test: TestAgent;

  beforeEach(() => {
    clock = new FakeClock();
  });

  /** Lets everything happen that needs no time to pass, within a bound: what does not happen fails the test. */
  async function until(holds: () => boolean): Promise<void> {
    for (let turns = 0; !holds() && turns < 200_000; turns += 1) await clock.advance(0);
    expect(holds()).toBe(true);
  }

  it('an idle container is frozen, then removed, and its queue discarded, at the usual times', async () => {
    test = new TestAgent({ echo }, { clock, settings: { freezeIdleMs: 50 } });
    await test.answer({ idleTimeoutSeconds: 10 });
    clock.stepWall(stepMs);
    await clock.advance(49);
    expect(test.driver.counters).toMatchObject({ paused: 0, live: 1 });
    await clock.advance(1);
    await until(() => test.driver.counters.paused === 1);
    await clock.advance(9_949);
    expect(test.driver.counters.live).toBe(1);
    await clock.advance(1);
    await until(() => test.driver.counters.live === 0);
    await clock.advance(HOUR_MS);
    expect(clock.pendingTimers).toBe(0);
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  it('the timeout of a call stays the same, both while its container starts and while it runs', async () => {
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock });
    test.driver.gates.start.hold();
    const options = [withDeadline(later(clock.now(), 5_000))];
    const call = await test.invoke({ image: 'held', timeoutSeconds: 30, options });
    await test.driver.gates.start.reached();
    clock.stepWall(stepMs);
    await clock.advance(1_000);
    test.driver.gates.start.release();
    await held.arrived(1);
    clock.stepWall(stepMs);
    await clock.advance(3_999);
    expect(call.call.model.status).toBe('running');
    await clock.advance(1);
    expect(await outcomeOf(call.done)).toBe('callTimeout');
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  it('the deadline sent to the function uses the current wall clock', async () => {
    const deadlines: unknown[] = [];
    const timed = fn((req, res) => {
      deadlines.push(req.headers['fn-deadline']);
      req.resume();
      res.end();
    });
    test = new TestAgent({ timed }, { clock });
    clock.stepWall(stepMs);
    const options = [withDeadline(later(clock.now(), 5_000))];
    await test.answer({ image: 'timed', timeoutSeconds: 30, options });
    expect(deadlines).toEqual([new Date(Date.UTC(2026, 0, 1) + stepMs + 5_000).toISOString().replace('.000', '')]);
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  it('calls wait equally long for a hot container before another is launched', async () => {
    const policy = new LaunchPolicy(
      clock,
      () => Number.POSITIVE_INFINITY,
      () => undefined,
    );
    policy.recordServiceTime(50);
    policy.recordLaunchTime(400);
    policy.firstContainerReady();
    await clock.advance(1_000);
    const since = clock.now();
    const mayWait = () => policy.shouldWait(since, 0, { hot: 2, starting: 0 });
    clock.stepWall(stepMs);
    await clock.advance(199);
    expect(mayWait()).toBe(true);
    await clock.advance(1);
    expect(mayWait()).toBe(false);
  });
});
