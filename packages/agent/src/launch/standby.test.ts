import { count, FakeClock, MIB, RecordedMetrics, STANDBY_ANNOTATION } from '@fnfleet/core';
import { pullFails, type ScriptedFunction } from '@fnfleet/drivers';
import { echo, NOTHING_LEFT, TestAgent } from '../test-kit/test-agent.js';
import { Standby } from './launcher.js';

describe('the standby containers of a function', () => {
  const metrics = RecordedMetrics.install();
  count('calls', 0);

  let test: TestAgent;
  let clock: FakeClock;
  const annotations = { [STANDBY_ANNOTATION]: 2 };

  function setUp(functions: Record<string, ScriptedFunction>, memoryMb?: number): void {
    clock = new FakeClock();
    test = new TestAgent(functions, { clock, ...(memoryMb && { memoryMb }) });
  }

  beforeEach(() => metrics.reset());
  afterEach(async () => {
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  const live = () => test.driver.counters.live;
  const frozen = () => test.driver.containers.filter(({ isPaused }) => isPaused).length;
  async function settle(until: () => boolean): Promise<void> {
    while (!until()) await clock.advance(0);
  }

  it('keeps the requested number of containers started and frozen past their idle timeout', async () => {
    setUp({ echo });
    await test.answer({ annotations, idleTimeoutSeconds: 5 });
    await settle(() => test.driver.counters.listening === 2);
    await clock.advance(60_000);
    expect(live()).toBe(2);
    expect(frozen()).toBe(2);
    await Promise.all([1, 2, 3].map(() => test.answer({ annotations, idleTimeoutSeconds: 5 })));
    await clock.advance(60_000);
    await settle(() => live() === 2);
  });

  it('replaces a standby container that ends', async () => {
    setUp({ echo });
    await test.answer({ annotations });
    await settle(() => test.driver.counters.listening === 2);
    test.driver.containers[0]?.exit({ exitCode: 1 });
    await settle(() => test.driver.counters.listening === 3);
    expect(live()).toBe(2);
  });

  it('ends an hour after the last call', async () => {
    setUp({ echo });
    await test.answer({ annotations, idleTimeoutSeconds: 5 });
    await settle(() => test.driver.counters.listening === 2);
    await clock.advance(3_590_000);
    expect(live()).toBe(2);
    await clock.advance(30_000);
    await settle(() => live() === 0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends for a version of the function when another version is in use', async () => {
    setUp({ echo });
    await test.answer({ annotations, idleTimeoutSeconds: 5 });
    await settle(() => test.driver.counters.listening === 2);
    await test.answer({ annotations: {}, idleTimeoutSeconds: 5 });
    await clock.advance(10_000);
    await settle(() => live() === 0);
  });

  it('resumes for a version of the function that is in use again', async () => {
    setUp({ echo });
    await test.answer({ annotations, idleTimeoutSeconds: 5 });
    await settle(() => test.driver.counters.listening === 2);
    await test.answer({ annotations: {}, idleTimeoutSeconds: 5 });
    await clock.advance(10_000);
    await settle(() => live() === 0);
    await test.answer({ annotations, idleTimeoutSeconds: 5 });
    await clock.advance(10_000);
    await settle(() => live() === 2);
    await clock.advance(60_000);
    expect(live()).toBe(2);
  });

  it('yields its resources to another function, and resumes when they are free again', async () => {
    setUp({ echo, other: echo }, 300);
    await test.answer({ annotations });
    await settle(() => test.driver.counters.listening === 2);
    await test.answer({ image: 'other', idleTimeoutSeconds: 60 });
    await clock.advance(30_000);
    expect(test.agent.utilization.memoryUsedBytes).toBe(256 * MIB);
    expect(test.driver.containers.map(({ spec }) => spec.image).sort()).toEqual(['echo', 'other']);
    // The other function is idle long enough, and the next retry finds its resources free. Time must not outrun what containers
    // really take: the queue would expire for lack of calls.
    await clock.advance(30_000);
    await settle(() => live() === 1);
    await clock.advance(10_000);
    await settle(() => test.driver.containers.filter(({ spec }) => spec.image === 'echo').length === 2);
  });

  it('Q6: a failed standby launch fails no call and is retried later', async () => {
    const functions: Record<string, ScriptedFunction> = { echo };
    setUp(functions);
    test.driver.gates.create.hold();
    const first = await test.invoke({ annotations });
    await test.driver.gates.create.reached();
    test.driver.gates.create.release();
    await first.done;
    functions.echo = pullFails(new Error('registry is down'));
    test.driver.containers[0]?.exit({ exitCode: 1 });
    await clock.advance(25_000);
    functions.echo = echo;
    await clock.advance(10_000);
    await settle(() => live() === 2);
  });

  it.each([['2'], [-1], [1.5], [101], [null]])(
    'an annotation that is not a valid number (%j) counts as zero',
    async (bad) => {
      setUp({ echo });
      await test.answer({ annotations: { [STANDBY_ANNOTATION]: bad }, idleTimeoutSeconds: 5 });
      await clock.advance(5_000);
      await settle(() => live() === 0);
      expect(test.driver.counters.created).toBe(1);
    },
  );
});

describe('filling standby', () => {
  let clock: FakeClock;
  let containers: number;
  let wanted: number;
  /** Whether a launch is possible. */
  let possible: boolean;
  let tries: number;
  let standby: Standby;
  beforeEach(() => {
    clock = new FakeClock();
    [containers, wanted, possible, tries] = [0, 3, true, 0];
    standby = new Standby({
      wanted: () => wanted,
      clock,
      containers: () => containers,
      launch: () => {
        tries += 1;
        if (possible) containers += 1;
        return possible;
      },
    });
  });
  afterEach(() => {
    standby.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('launches exactly the missing containers', () => {
    containers = 1;
    standby.fill();
    expect([containers, tries]).toEqual([3, 2]);
    standby.fill();
    expect(tries).toBe(2);
  });

  it('launches nothing when enough containers exist or none are wanted', () => {
    wanted = 0;
    standby.fill();
    [wanted, containers] = [1, 2];
    standby.fill();
    expect(tries).toBe(0);
  });

  it('retries an impossible launch after ten seconds, and not earlier when asked again', async () => {
    possible = false;
    standby.fill();
    standby.fill();
    expect(tries).toBe(1);
    possible = true;
    await clock.advance(9_999);
    standby.fill();
    expect(tries).toBe(1);
    await clock.advance(1);
    expect([containers, tries]).toEqual([3, 4]);
  });

  it('several failures at once cause one retry', async () => {
    containers = 3;
    standby.retryLater();
    standby.retryLater();
    expect(clock.pendingTimers).toBe(1);
    containers = 2;
    await clock.advance(10_000);
    expect(tries).toBe(1);
  });

  it('does not retry by itself once stopped', async () => {
    possible = false;
    standby.fill();
    standby.close();
    await clock.advance(60_000);
    expect(tries).toBe(1);
    possible = true;
    standby.fill();
    expect(containers).toBe(3);
  });
});
