import { count, FakeClock, later, RecordedMetrics, systemClock } from '@fnfleet/core';
import { exitsAtStart, fn, rawFn, type ScriptedFunction } from '@fnfleet/drivers';
import { withDeadline, withSignal } from '../call/call-options.js';
import { echo, NOTHING_LEFT, outcomeOf, TestAgent } from '../test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;

beforeEach(() => metrics.reset());
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

describe('the end of containers', () => {
  it('agent-and-docker 22, 35: a container serves again within its idle timeout and is removed after it', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ echo }, { clock });
    await test.answer({ idleTimeoutSeconds: 10 });
    await clock.advance(9_000);
    await test.answer({ idleTimeoutSeconds: 10 });
    await clock.advance(9_999);
    expect(test.driver.counters).toMatchObject({ created: 1, live: 1 });
    await clock.advance(1);
    while (test.driver.counters.live > 0) await clock.advance(0);
    expect(test.agent.utilization.memoryUsedBytes).toBe(0);
  });

  it('agent-and-docker 25: a queue is discarded an hour after its last call, but not while it has a container', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ echo }, { clock });
    await test.answer({ idleTimeoutSeconds: 3_000 });
    await clock.advance(5_999_000);
    // The container is gone by now; the queue stays for twice the idle timeout.
    while (test.driver.counters.live > 0) await clock.advance(0);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it('agent-and-docker 36, 37: an FDK that answers 502 or 504 keeps its container', async () => {
    const statuses = [502, 504, 200];
    test = new TestAgent({ moody: fn((req, res) => req.resume() && res.writeHead(statuses.shift() ?? 500).end('x')) });
    const failed = await test.invoke({ image: 'moody' });
    await expect(failed.done).rejects.toMatchObject({ status: 502, message: 'function failed' });
    expect(failed.writer.status).toBeUndefined();
    const timedOut = await test.invoke({ image: 'moody' });
    await expect(timedOut.done).rejects.toMatchObject({ status: 504, message: 'Timed out' });
    expect(timedOut.call.model.status).toBe('timeout');
    await test.answer({ image: 'moody' });
    expect(test.driver.counters.created).toBe(1);
  });

  it.each([201, 204, 302, 304, 400, 500, 530])(
    'agent-and-docker 38: an FDK that answers %d loses it',
    async (status) => {
      test = new TestAgent({ odd: fn((_req, res) => res.writeHead(status, { Location: '/call' }).end()) });
      const { done } = await test.invoke({ image: 'odd' });
      await expect(done).rejects.toMatchObject({ status: 502, message: 'invalid function response' });
      await test.outcome({ image: 'odd' });
      expect(test.driver.counters.created).toBe(2);
    },
  );

  it('agent-and-docker 39: a function that exits during a call', async () => {
    test = new TestAgent({
      exits: fn((_req, _res, container) => container.exit({ exitCode: 137, outOfMemory: true })),
    });
    const { done } = await test.invoke({ image: 'exits' });
    await expect(done).rejects.toMatchObject({ status: 502, message: 'error receiving function response' });
    expect(await test.outcome({ image: 'exits' })).toBe('functionResponse');
    expect(test.driver.counters.created).toBe(2);
  });

  it('a container that the engine can no longer report on is not used again', async () => {
    const lost = Promise.withResolvers<never>();
    test = new TestAgent({ echo });
    const create = test.driver.create.bind(test.driver);
    let made = 0;
    test.driver.create = async (...parts) => {
      const container = await create(...parts);
      made += 1;
      return made === 1 ? Object.assign(container, { wait: () => lost.promise }) : container;
    };
    await test.answer({});
    lost.reject(new Error('the engine has lost it'));
    while (test.driver.counters.live > 0) await new Promise(setImmediate);
    await test.answer({});
    expect(made).toBe(2);
  });

  it('a response that was complete before the function ended is not lost', async () => {
    const last: ScriptedFunction = rawFn((socket, container) => {
      socket.once('data', () => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast', () => container.exit());
      });
    });
    test = new TestAgent({ last });
    expect((await test.answer({ image: 'last' })).body.toString()).toBe('last');
  });

  it('H4: a call that times out while it is sent to its container is answered 504, and the container is closed', async () => {
    const clock = new FakeClock();
    let asked = 0;
    const witness = fn((_req, res) => {
      asked += 1;
      res.end();
    });
    test = new TestAgent({ echo: witness }, { clock });
    let takesMs = 1_000;
    test.agent.addCallListener({ beforeCall: () => clock.advance(takesMs) });
    const late = await test.invoke({ options: [withDeadline(later(clock.now(), 1_000))] });
    expect(await outcomeOf(late.done)).toBe('callTimeout');
    while (test.driver.counters.live > 0) await clock.advance(0);
    expect(asked).toBe(0);

    takesMs = 999;
    const inTime = await test.invoke({ options: [withDeadline(later(clock.now(), 1_000))] });
    expect(await outcomeOf(inTime.done)).toBe('ok');
    expect([asked, test.driver.counters.created]).toEqual([1, 2]);
  });

  it('a container launched for a caller that disconnected serves the next call', async () => {
    test = new TestAgent({ echo });
    test.driver.gates.start.hold();
    const caller = new AbortController();
    const left = await test.invoke({ options: [withSignal(caller.signal)] });
    await test.driver.gates.start.reached();
    caller.abort();
    expect(await outcomeOf(left.done)).toBe('CancelledError');
    const next = await test.invoke({ options: [withDeadline(later(systemClock.now(), 60_000))] });
    test.driver.gates.start.release();
    await next.done;
    expect(test.driver.counters.created).toBe(1);
  });

  it('agent-and-docker 88: gauges go back to zero once idle timeouts have passed', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ echo, exits: exitsAtStart(3) }, { clock });
    await Promise.all([
      ...[1, 2, 3].map(() => test.answer({ idleTimeoutSeconds: 5 })),
      test.outcome({ image: 'exits' }),
    ]);
    // Those still on their way arrive, and the one that ended at its start is removed behind the caller's back.
    const idle = () => metrics.sum('container_idle_total', { fn_id: 'fn-of-echo', image_name: 'echo', app_id: 'app1' });
    while (metrics.sum('container_start_total') > 0 || test.driver.counters.live > idle()) await clock.advance(0);
    expect(idle()).toBeGreaterThan(0);
    expect(metrics.sum('container_idle_total')).toBe(idle());
    await clock.advance(5_000);
    while (test.driver.counters.live > 0) await clock.advance(0);
    for (const name of ['queued', 'running', 'container_start_total', 'container_idle_total'] as const) {
      expect(metrics.sum(name)).toBe(0);
    }
    for (const name of ['container_busy_total', 'container_wait_total', 'util_mem_used'] as const) {
      expect(metrics.sum(name)).toBe(0);
    }
  });
});
