import { count, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { fn, type ScriptedFunction } from '@fnfleet/drivers';
import { withDeadline, withSignal } from './call-options.js';
import { NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

const EXPECTED_OUTCOMES = new Set([
  'ok',
  'serverBusy',
  'CancelledError',
  'callTimeout',
  'containerInitFailed',
  'containerInitTimeout',
  'functionFailed',
  'functionResponse',
  'functionInvalidResponse',
]);

/** Numbers from 0 up to 1 that are the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A function that takes its time, fails and dies, all at random, and notices when it is given two calls at once. */
function moody(random: () => number, clock: FakeClock, overlaps: string[]): ScriptedFunction {
  const busy = new Set<string>();
  return fn(async (req, res, container) => {
    if (busy.has(container.id)) overlaps.push(container.id);
    busy.add(container.id);
    // Its connection ends with the call when the agent gives up on it.
    res.once('close', () => busy.delete(container.id));
    req.resume();
    await clock.sleep(Math.floor(random() * 4_000));
    const mood = random();
    if (mood < 0.05) container.exit({ exitCode: 1 });
    else res.writeHead(mood < 0.1 ? 502 : mood < 0.15 ? 500 : 200).end('done');
  });
}

/** Time passes in small steps, each with some turns of the event loop, so that sockets can keep up. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    await clock.advance(Math.min(100, ms - passed));
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each([true, false])('a random schedule (non-blocking: %s)', (nonBlocking) => {
  beforeEach(() => metrics.reset());

  it.each([1, 2, 3, 4, 5, 6])('seed %i: every call is answered once, and nothing is left', async (seed) => {
    const random = randomFrom(seed);
    const clock = new FakeClock();
    const overlaps: string[] = [];
    const steady = moody(random, clock, overlaps);
    const functions = {
      steady,
      get flaky() {
        return random() < 0.3 ? { exitAtStart: 1 } : steady;
      },
    };
    const ended: string[] = [];
    const begun: string[] = [];
    const test = new TestAgent(functions, {
      clock,
      memoryMb: 800,
      settings: { nonBlocking },
      listeners: [
        { beforeCall: ({ model }) => void begun.push(model.id), afterCall: ({ model }) => void ended.push(model.id) },
      ],
    });

    const outcomes: Promise<string>[] = [];
    const callers: AbortController[] = [];
    for (let index = 0; index < 120; index += 1) {
      const caller = new AbortController();
      callers.push(caller);
      const { done } = await test.invoke({
        id: `call-${index}`,
        image: random() < 0.3 ? 'flaky' : 'steady',
        memoryMb: [50, 100, 150][Math.floor(random() * 3)],
        timeoutSeconds: 3,
        idleTimeoutSeconds: Math.floor(random() * 3),
        options: [
          withSignal(caller.signal),
          ...(random() < 0.3 ? [withDeadline(clock.now() + Math.floor(random() * 5_000))] : []),
        ],
      });
      outcomes.push(outcomeOf(done));
      if (random() < 0.1) callers[Math.floor(random() * callers.length)]?.abort();
      if (random() < 0.7) await pass(clock, Math.floor(random() * 500));
      const { memoryUsedBytes, memoryTotalBytes } = test.agent.utilization;
      expect(memoryUsedBytes).toBeLessThanOrEqual(memoryTotalBytes);
    }

    let open = outcomes.length;
    for (const outcome of outcomes) void outcome.then(() => (open -= 1));
    for (let patience = 0; open > 0 && patience < 10_000; patience += 1) await pass(clock, 100);
    expect(open).toBe(0);
    const all = await Promise.all(outcomes);
    expect(all.filter((outcome) => !EXPECTED_OUTCOMES.has(outcome))).toEqual([]);
    expect(all.filter((outcome) => outcome === 'ok').length).toBeGreaterThan(0);
    expect(overlaps).toEqual([]);
    expect(ended.toSorted()).toEqual(begun.toSorted());
    expect(new Set(ended).size).toBe(ended.length);
    await clock.advance(10_000); // what the functions themselves still wait for
    expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  });
});
