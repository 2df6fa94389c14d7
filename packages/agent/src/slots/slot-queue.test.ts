import { writeFile } from 'node:fs/promises';
import { count, FakeClock, FnError, RecordedMetrics } from '@fnfleet/core';
import { exitsAtStart, fn, neverListens, pullFails, type ScriptedFunction } from '@fnfleet/drivers';
import { eventually } from '@fnfleet/testing';
import { withExtensions, withSignal } from '../call/call-options.js';
import { echo, HeldFunction, type Invocation, NOTHING_LEFT, outcomeOf, TestAgent } from '../test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;

beforeEach(() => metrics.reset());
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

describe('sharing containers', () => {
  it('agent-and-docker 18: calls that differ only in what no container depends on share one', async () => {
    test = new TestAgent({ echo });
    await test.answer({});
    await test.answer({ headers: { 'X-A': ['1'] }, url: 'http://elsewhere/', method: 'GET' });
    await test.answer({ type: 'detached', triggerId: 't', appName: 'other' });
    await test.answer({ options: [withExtensions({ a: 'b' })] });
    expect(test.driver.counters.created).toBe(1);
  });

  it.each([
    ['configuration', { config: { A: '2' } }],
    ['annotations', { annotations: { a: 1 } }],
    ['timeout', { timeoutSeconds: 31 }],
    ['idle timeout', { idleTimeoutSeconds: 31 }],
    ['memory', { memoryMb: 129 }],
    ['image', { image: 'other', fnId: 'same' }],
    ['syslog URL', { syslogUrl: 'tcp://x:1' }],
  ])('agent-and-docker 18: calls that differ in %s do not share a container', async (_, change) => {
    test = new TestAgent({ echo, other: echo });
    await test.answer({ fnId: 'same' });
    await test.answer({ fnId: 'same', ...change });
    expect(test.driver.counters.created).toBe(2);
  });

  it('agent-and-docker 20: the most recently idle container is taken first', async () => {
    const served: string[] = [];
    const held = new HeldFunction();
    const named: ScriptedFunction = fn((req, res, container) => {
      served.push(container.id);
      held.handler(req, res, container);
    });
    test = new TestAgent({ named });
    const overlapping = async () => {
      const calls: Invocation[] = [];
      for (let i = 0; i < 3; i += 1) {
        const before = held.requests.length;
        calls.push(await test.invoke({ image: 'named' }));
        await held.arrived(before + 1);
      }
      return calls;
    };
    const calls = await overlapping();
    const [a, b, c] = served;
    for (const index of [1, 0, 2]) {
      held.answer(index);
      await calls[index]?.done;
    }
    const again = await overlapping();
    expect(served.slice(3)).toEqual([c, a, b]);
    for (const index of [3, 4, 5]) held.answer(index);
    await Promise.all(again.map(({ done }) => done));
  });

  it('agent-and-docker 21: of ten waiting calls, only the first gets the container that becomes idle', async () => {
    const held = new HeldFunction();
    test = new TestAgent({ held }, { memoryMb: 128 });
    const calls = [];
    for (let i = 0; i < 11; i += 1)
      calls.push(await test.invoke({ image: 'held', url: `#${i}`, headers: { N: [`${i}`] } }));
    for (let i = 0; i < 11; i += 1) {
      await held.arrived(i + 1);
      expect(held.requests).toHaveLength(i + 1);
      expect(held.requests[i]?.req.headers.n).toBe(`${i}`);
      held.answer(i);
      await calls[i]?.done;
    }
    expect(test.driver.counters.created).toBe(1);
  });

  it('Q5: a call that has waited for half a launch gets a container of its own, even if calls before it were served meanwhile', async () => {
    const clock = new FakeClock();
    const held = new HeldFunction();
    test = new TestAgent({ held }, { clock, settings: { freezeIdleMs: Number.POSITIVE_INFINITY } });
    test.driver.gates.start.hold();
    const first = await test.invoke({ image: 'held' });
    await test.driver.gates.start.reached();
    await clock.advance(1_000);
    test.driver.gates.start.release();
    await held.arrived(1);
    await clock.advance(10);
    held.answer(0);
    await first.done;

    const busy = await test.invoke({ image: 'held' });
    await held.arrived(2);
    const waiting = [await test.invoke({ image: 'held' }), await test.invoke({ image: 'held' })];
    await clock.advance(400);
    held.answer(1);
    await busy.done;
    await held.arrived(3);
    expect(test.driver.counters.created).toBe(1);
    await clock.advance(100);
    await eventually(() => expect(test.driver.counters.created).toBe(2));
    await held.arrived(4);
    held.answer(2);
    held.answer(3);
    await Promise.all(waiting.map(({ done }) => done));
  });

  it('agent-and-docker 23: concurrent calls get a container each, and no container has two requests at once', async () => {
    const held = new HeldFunction();
    test = new TestAgent({ held });
    const calls = [await test.invoke({ image: 'held' }), await test.invoke({ image: 'held' })];
    await held.arrived(2);
    expect(test.driver.containers.map(({ connections }) => connections)).toEqual([1, 1]);
    held.answer(0);
    held.answer(1);
    await Promise.all(calls.map(({ done }) => done));
  });
});

describe('launches that fail', () => {
  it('agent-and-docker 26: a container that exits before it opens its socket', async () => {
    test = new TestAgent({ exits: exitsAtStart(0) });
    const { done } = await test.invoke({ image: 'exits' });
    await expect(done).rejects.toMatchObject({
      status: 502,
      message: 'Container failed to initialize, please ensure you are using the latest fdk and check the logs',
    });
    expect(metrics.values('container_uds_init_latency', { container_uds_state: 'canceled' })).toHaveLength(1);
  });

  it('agent-and-docker 27: a container that does not open its socket in time is removed', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ silent: neverListens() }, { clock });
    const { done } = await test.invoke({ image: 'silent' });
    while (test.driver.counters.started === 0) await clock.advance(0);
    await clock.advance(4_999);
    expect(test.driver.counters.live).toBe(1);
    await clock.advance(1);
    await expect(done).rejects.toMatchObject({
      status: 504,
      message: 'Container initialization timed out, please ensure you are using the latest fdk and check the logs',
    });
    expect(metrics.values('container_uds_init_latency', { container_uds_state: 'timedout' })).toEqual([5_000]);
  });

  it('agent-and-docker 28: something that is not a socket', async () => {
    const file: ScriptedFunction = { ...echo, offer: (_server, path) => writeFile(path, '') };
    test = new TestAgent({ file });
    expect(await test.outcome({ image: 'file' })).toBe('containerInitFailed');
  });

  it('agent-and-docker 61: an image whose pull takes too long', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ echo }, { clock, settings: { hotPullTimeoutMs: 60_000 } });
    test.driver.gates.pull.hold();
    const { done } = await test.invoke({});
    await clock.advance(60_000);
    await expect(done).rejects.toMatchObject({ status: 504, message: 'Image pull timed out' });
  });

  it('an image that cannot be pulled: the caller gets the reason', async () => {
    const error = new FnError('imagePullFailed', { status: 404, params: { image: 'x', reason: 'denied' } });
    test = new TestAgent({ gone: pullFails(error) });
    const { done } = await test.invoke({ image: 'gone' });
    await expect(done).rejects.toMatchObject({ status: 404, message: "Failed to pull image 'x': denied" });
  });

  it.each(['createError', 'startError'])('%s: the resources are released', async (step) => {
    test = new TestAgent({ broken: { [step]: new Error('engine says no') } });
    const { done } = await test.invoke({ image: 'broken' });
    await expect(done).rejects.toThrow('engine says no');
  });

  it('agent-and-docker 30: with one healthy container, failed launches fail no call that it can serve', async () => {
    const held = new HeldFunction();
    const functions: Record<string, ScriptedFunction> = { held };
    test = new TestAgent(functions);
    const first = await test.invoke({ image: 'held' });
    await held.arrived(1);
    functions.held = exitsAtStart(1);
    test.driver.gates.start.hold();
    const second = await test.invoke({ image: 'held' });
    await test.driver.gates.start.reached();
    held.answer(0);
    await first.done;
    await held.arrived(2);
    test.driver.gates.start.release();
    while (test.driver.counters.live > 1) await turn();
    held.answer(1);
    await second.done;
    expect(test.driver.counters.created).toBe(2);
  });

  it('Q3: a launch that fails after its call was served fails no call; a call that still waits causes another', async () => {
    const held = new HeldFunction();
    let looks = 0;
    const functions = {
      // Looked up when an image is prepared and when a container is created: the third look is the second launch.
      get held() {
        looks += 1;
        return looks === 3 ? pullFails(new Error('registry is down')) : held;
      },
    };
    test = new TestAgent(functions);
    const busy = await test.invoke({ image: 'held' });
    await held.arrived(1);
    test.driver.gates.pull.hold();
    const served = await test.invoke({ image: 'held' });
    await test.driver.gates.pull.reached();
    held.answer(0);
    await busy.done;
    await held.arrived(2);
    const waiting = await test.invoke({ image: 'held' });
    expect(test.driver.gates.pull.waiting).toBe(1);
    test.driver.gates.pull.release();
    await held.arrived(3);
    held.answer(1);
    held.answer(2);
    await Promise.all([served.done, waiting.done]);
    expect(test.driver.counters.created).toBe(2);
  });

  it('agent-and-docker 32: a container that exits while idle is replaced, and no call fails', async () => {
    test = new TestAgent({ echo });
    await test.answer({});
    test.driver.containers[0]?.exit({ exitCode: 1 });
    await test.answer({});
    expect(test.driver.counters.created).toBe(2);
  });
});

describe('a launch that waits for room', () => {
  /** Two functions of which one has a container, slow to launch and busy; no room for another. */
  async function noRoom(): Promise<{ clock: FakeClock; held: HeldFunction; hog: HeldFunction }> {
    const clock = new FakeClock();
    const [held, hog] = [new HeldFunction(), new HeldFunction()];
    test = new TestAgent({ held, hog, echo }, { clock, memoryMb: 256, settings: { freezeIdleMs: Infinity } });
    test.driver.gates.start.hold();
    const first = await test.invoke({ image: 'held' });
    await test.driver.gates.start.reached();
    await clock.advance(1_000);
    test.driver.gates.start.release();
    await held.arrived(1);
    await clock.advance(10);
    held.answer(0);
    await first.done;
    await Promise.all([test.invoke({ image: 'held' }), test.invoke({ image: 'hog' })]);
    await Promise.all([held.arrived(2), hog.arrived(1)]);
    return { clock, held, hog };
  }

  it('Q4: is assigned to another call of its function when its own leaves, and keeps its place in line', async () => {
    const { clock, held, hog } = await noRoom();
    const caller = new AbortController();
    // After half a launch time the first call no longer waits for a hot container; the second still does.
    const leaves = await test.invoke({ image: 'held', options: [withSignal(caller.signal)] });
    await clock.advance(400);
    const inherits = await test.invoke({ image: 'held' });
    await clock.advance(100);
    const later = await test.invoke({});
    caller.abort();
    expect(await outcomeOf(leaves.done)).toBe('CancelledError');
    await clock.advance(400);
    test.driver.containers.find(({ spec }) => spec.image === 'hog')?.exit();
    hog.answer(0);
    const first = await Promise.race([
      held.arrived(3).then(() => 'the successor'),
      later.done.then(() => 'the later call'),
    ]);
    expect(first).toBe('the successor');
    held.answer(1);
    held.answer(2);
    await inherits.done;
    await later.done;
  });

  it('Q4: is given up when no call of its function waits any more, and no longer blocks others', async () => {
    const { clock, held, hog } = await noRoom();
    const caller = new AbortController();
    const leaves = await test.invoke({ image: 'held', options: [withSignal(caller.signal)] });
    await clock.advance(500);
    const later = await test.invoke({});
    caller.abort();
    expect(await outcomeOf(leaves.done)).toBe('CancelledError');
    test.driver.containers.find(({ spec }) => spec.image === 'hog')?.exit();
    hog.answer(0);
    await later.done;
    expect(test.driver.containers.map(({ spec }) => spec.image)).toEqual(['held', 'echo']);
    held.answer(1);
  });
});

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
