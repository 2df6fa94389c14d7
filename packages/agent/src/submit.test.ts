import { count, FakeClock, later, RecordedMetrics } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import type { CallListener } from './agent.js';
import { withDeadline, withSignal } from './call/call-options.js';
import { echo, HeldFunction, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

describe('submitting a call', () => {
  let test: TestAgent;

  beforeEach(() => metrics.reset());
  afterEach(async () => {
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });

  it('agent-and-docker 9: a response of 200 is a success and is counted', async () => {
    test = new TestAgent({ echo });
    const { call, writer, done } = await test.invoke({ body: 'hi' });
    await done;
    expect(writer).toMatchObject({ status: 200 });
    expect(writer.body.toString()).toBe('hi');
    expect(call.model).toMatchObject({ status: 'success' });
    expect(call.model.startedAt).toBeDefined();
    expect(call.model.completedAt).toBeDefined();
    expect(metrics.sum('calls')).toBe(1);
    expect(metrics.sum('completed')).toBe(1);
    expect(metrics.sum('queued')).toBe(0);
    expect(metrics.sum('running')).toBe(0);
  });

  it('reports how long the call waited and ran, and how long its launch took', async () => {
    test = new TestAgent({ echo: { ...echo, pullNs: 7 } });
    const first = await test.invoke({});
    await first.done;
    expect(first.call.timings).toMatchObject({ imagePullWaitNs: 7 });
    expect(first.call.timings.containerInitNs).toBeGreaterThan(0);
    expect(first.call.timings.schedulerNs).toBeGreaterThan(first.call.timings.containerInitNs);
    expect(first.call.timings.executionNs).toBeGreaterThan(0);
    const second = await test.invoke({});
    await second.done;
    expect(second.call.timings).toMatchObject({ imagePullWaitNs: 0, containerCreateNs: 0, containerInitNs: 0 });
  });

  it('agent-and-docker 10: a call that runs too long gets 504 on time; the next gets another container', async () => {
    const clock = new FakeClock();
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock });
    const slow = await test.invoke({ image: 'held', timeoutSeconds: 4 });
    await held.arrived(1);
    await clock.advance(3_999);
    expect(slow.call.model.status).toBe('running');
    await clock.advance(1);
    await expect(slow.done).rejects.toMatchObject({ status: 504, message: 'Timed out' });
    expect(slow.call.model.status).toBe('timeout');
    expect(metrics.sum('timeouts')).toBe(1);

    const next = await test.invoke({ image: 'held', timeoutSeconds: 4 });
    await held.arrived(2);
    held.answer(1);
    await next.done;
    expect(test.driver.counters.created).toBe(2);
  });

  it('after a timeout the resources stay reserved until the container is gone', async () => {
    const clock = new FakeClock();
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock });
    test.driver.gates.close.hold();
    const slow = await test.invoke({ image: 'held', timeoutSeconds: 1, memoryMb: 100 });
    await held.arrived(1);
    await clock.advance(1_000);
    expect(await outcomeOf(slow.done)).toBe('callTimeout');
    expect(test.agent.utilization.memoryUsedBytes).toBe(100 * 1024 * 1024);
    test.driver.gates.close.release();
  });

  it('agent-and-docker 11: the execution clock starts when the function is called, not while it starts', async () => {
    const clock = new FakeClock();
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock });
    test.driver.gates.start.hold();
    const call = await test.invoke({ image: 'held', timeoutSeconds: 4 });
    await test.driver.gates.start.reached();
    await clock.advance(3_000);
    test.driver.gates.start.release();
    await held.arrived(1);
    await clock.advance(3_000);
    held.answer(0);
    await call.done;
  });

  it('agent-and-docker 12: a call whose deadline passes while it waits gets 503 and never starts', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    test = new TestAgent({ echo }, { clock, listeners: [recorder(seen)] });
    test.driver.gates.pull.hold();
    const call = await test.invoke({ options: [withDeadline(later(clock.now(), 1_000))] });
    await clock.advance(1_000);
    await expect(call.done).rejects.toMatchObject({ status: 503, message: 'Timed out - server too busy' });
    expect(metrics.sum('server_busy')).toBe(1);
    expect(seen).toEqual([]);
  });

  it('agent-and-docker 94: an asynchronous call waits for a container as long as it may run, and then never starts', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    test = new TestAgent({ echo }, { clock, listeners: [recorder(seen)] });
    test.driver.gates.start.hold();
    const [call, other] = [
      await test.invoke({ type: 'async', timeoutSeconds: 4 }),
      await test.invoke({ timeoutSeconds: 4 }),
    ];
    await clock.advance(4_000);
    await expect(call.done).rejects.toMatchObject({ status: 503, message: 'Timed out - server too busy' });
    expect(seen).toEqual([]);
    test.driver.gates.start.release();
    await other.done;
  });

  it('agent-and-docker 13: a caller that disconnects while the call waits is counted, and the call never starts', async () => {
    const seen: string[] = [];
    const caller = new AbortController();
    test = new TestAgent({ echo }, { listeners: [recorder(seen)] });
    test.driver.gates.pull.hold();
    const call = await test.invoke({ options: [withSignal(caller.signal)] });
    caller.abort();
    expect(await outcomeOf(call.done)).toBe('CancelledError');
    expect(metrics.sum('canceled')).toBe(1);
    expect(seen).toEqual([]);
  });

  it('agent-and-docker 14: an error of beforeCall fails the call; the container serves the next one', async () => {
    test = new TestAgent({ echo });
    let refuse = true;
    test.agent.addCallListener({
      beforeCall: () => {
        if (refuse) throw new Error('not now');
      },
    });
    const { call, done } = await test.invoke({});
    await expect(done).rejects.toThrow('not now');
    expect(call.model.completedAt).toBeUndefined();
    expect(test.driver.containers[0]?.connections).toBe(0);
    refuse = false;
    await test.answer({});
    expect(test.driver.counters.created).toBe(1);
    expect(metrics.sum('errors')).toBe(1);
  });

  it('agent-and-docker 15: an error of afterCall does not reach the caller of a successful call', async () => {
    test = new TestAgent({ echo });
    test.agent.addCallListener({ afterCall: () => Promise.reject(new Error('too late')) });
    await test.answer({});
    expect(metrics.sum('completed')).toBe(1);
  });

  it('agent-and-docker 16: shutdown refuses new and waiting calls, and lets a running one finish', async () => {
    const held = new HeldFunction();
    test = new TestAgent({ held, echo }, { memoryMb: 128 });
    const running = await test.invoke({ image: 'held', memoryMb: 128 });
    await held.arrived(1);
    const waiting = await test.invoke({ image: 'echo', memoryMb: 128 });
    const drained = test.agent.drain({ graceMs: 10_000 });
    expect(await outcomeOf(waiting.done)).toBe('serverBusy');
    expect(await test.outcome({})).toBe('serverBusy');
    expect(test.driver.counters.live).toBe(1);
    held.answer(0, 'done');
    await running.done;
    expect(running.writer.body.toString()).toBe('done');
    expect(await drained).toBe('drained');
    expect(test.driver.counters.live).toBe(0);
    expect(await test.agent.drain({ graceMs: 0 })).toBe('drained');
  });

  it('agent-and-docker 16: a call that outlasts the grace fails as cancelled', async () => {
    const clock = new FakeClock();
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock });
    const running = await test.invoke({ image: 'held' });
    await held.arrived(1);
    const drained = test.agent.drain({ graceMs: 5_000 });
    await clock.advance(5_000);
    expect(await outcomeOf(running.done)).toBe('CancelledError');
    expect(await drained).toBe('expired');
    expect(test.driver.counters.live).toBe(0);
  });

  it('agent-and-docker 17: a failure of the function is recorded on the call, and the call ends once', async () => {
    const seen: string[] = [];
    const failing = fn((_req, res) => res.writeHead(502).end());
    test = new TestAgent({ failing }, { listeners: [recorder(seen)] });
    const { call, done } = await test.invoke({ image: 'failing' });
    expect(await outcomeOf(done)).toBe('functionFailed');
    expect(call.model).toMatchObject({ status: 'error', error: 'function failed' });
    expect(seen).toEqual(['before', 'after error']);
    expect(metrics.sum('errors')).toBe(1);
  });

  it('runs listeners in the order in which they were added', async () => {
    const seen: string[] = [];
    test = new TestAgent({ echo }, { listeners: [{ beforeCall: () => void seen.push('first') }] });
    test.agent.addCallListener({
      beforeCall: async () => void seen.push('second'),
      afterCall: () => void seen.push('end'),
    });
    await test.answer({});
    expect(seen).toEqual(['first', 'second', 'end']);
  });

  it('a function with a timeout of 0 ends with 504 at once', async () => {
    test = new TestAgent({ echo });
    expect(await test.outcome({ timeoutSeconds: 0 })).toBe('callTimeout');
  });
});

function recorder(seen: string[]): CallListener {
  return {
    beforeCall: () => void seen.push('before'),
    afterCall: (call) => void seen.push(`after ${call.model.status}`),
  };
}
