import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { count, createLogger, FakeClock, type FnError, type Logger, RecordedMetrics } from '@fnfleet/core';
import { echo, HeldFunction, NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

const REASON = 'the engine hangs';

describe('a driver that cannot create containers', () => {
  let test: TestAgent;

  beforeEach(() => metrics.reset());
  afterEach(async () => {
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
    expect(metrics.sum('runner_degraded')).toBe(0);
  });

  it('refuses calls that need a new container at once, with the reason as cause; hot containers keep serving', async () => {
    test = new TestAgent({ echo, other: echo });
    await test.answer({});
    test.driver.health.degrade(REASON);
    expect(test.agent.health).toMatchObject({ state: 'degraded', reason: REASON });
    expect(metrics.sum('runner_degraded')).toBe(1);

    const refused = await (await test.invoke({ image: 'other' })).done.catch((error) => error);
    expect(refused).toMatchObject({ status: 503, message: 'Timed out - server too busy' });
    expect((refused as FnError).cause).toEqual(new Error(`no new containers: ${REASON}`));
    expect((await test.answer({})).status).toBe(200);
    expect(test.driver.counters.created).toBe(1);

    test.driver.health.recover();
    expect((await test.answer({ image: 'other' })).status).toBe(200);
    expect(metrics.sum('runner_degraded')).toBe(0);
  });

  it('a full runner evicts nothing while it is degraded', async () => {
    test = new TestAgent({ echo, other: echo }, { memoryMb: 128 });
    await test.answer({});
    test.driver.health.degrade(REASON);
    expect(await test.outcome({ image: 'other' })).toBe('serverBusy');
    expect(metrics.sum('container_evictions')).toBe(0);
    expect(test.driver.counters.live).toBe(1);
  });

  it.each(['pull', 'create', 'start', 'listen'] as const)(
    'refuses a call whose launch hangs in "%s"; if the launch succeeds, its container serves later calls',
    async (step) => {
      test = new TestAgent({ echo });
      test.driver.gates[step].hold();
      const { done } = await test.invoke({});
      await test.driver.gates[step].reached();
      test.driver.health.degrade(REASON);
      await expect(done).rejects.toMatchObject({ code: 'serverBusy' });
      // Not even for a launch in progress, which may never end.
      expect(await test.outcome({})).toBe('serverBusy');

      test.driver.health.recover();
      const later = await test.invoke({});
      test.driver.gates[step].release();
      await later.done;
      expect(test.driver.counters.created).toBe(1);
    },
  );

  it('gives up launches that wait for room, including those assigned to another call', async () => {
    const held = new HeldFunction();
    test = new TestAgent({ held, echo }, { memoryMb: 128 });
    const running = await test.invoke({ image: 'held' });
    await held.arrived(1);
    const waiting = await Promise.all([test.invoke({}), test.invoke({}), test.invoke({})]);
    test.driver.health.degrade(REASON);
    for (const { done } of waiting) await expect(done).rejects.toMatchObject({ code: 'serverBusy' });
    held.answer(0);
    await running.done;
    expect(test.driver.counters.created).toBe(1);
    test.driver.health.recover();
  });

  it('creates no container for a launch that no call needs any more when its turn comes', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ echo, other: echo }, { clock, settings: { maxConcurrentLaunches: 1 } });
    test.driver.gates.start.hold();
    const first = await test.invoke({});
    await test.driver.gates.start.reached();
    const second = await test.invoke({ image: 'other' });
    test.driver.health.degrade(REASON);
    await expect(first.done).rejects.toMatchObject({ code: 'serverBusy' });
    await expect(second.done).rejects.toMatchObject({ code: 'serverBusy' });
    test.driver.gates.start.release();
    await clock.advance(5_000);
    expect(test.driver.counters.created).toBe(1);
  });

  it('a closing agent closes its driver, which alone can give up on a container that cannot be removed', async () => {
    test = new TestAgent({ echo });
    await test.answer({});
    test.driver.gates.close.hold();
    test.driver.health.degrade(REASON);
    // The gate opens when the driver closes.
    await test.agent.close();
    expect(test.driver.counters.live).toBe(0);
  });

  it('logs when degradation begins, with the reason, and when it ends', async () => {
    const lines = new PassThrough();
    const logger: Logger = createLogger({ level: 'info', format: 'text', stream: lines });
    test = new TestAgent({ echo }, { logger });
    test.driver.health.degrade(REASON);
    test.driver.health.recover();
    lines.end();
    const log = await text(lines);
    expect(log).toMatch(/WARN .*degraded: refusing calls that need a new container.*the engine hangs/);
    expect(log).toMatch(/INFO .*no longer degraded: new containers can be created/);
  });
});
