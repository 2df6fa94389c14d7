import { FakeClock, FnError, type Logger, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import { fromModel, invokeDetached, withWriter } from './call/call-options.js';
import { LookupCache } from './lookup/lookup-cache.js';
import { newLbAgent } from './new-lb-agent.js';
import { ReplayBudget } from './replay/replay-budget.js';

const HOUR_MS = 3_600_000;
const metrics = RecordedMetrics.install();
const caller = new AbortController().signal;

beforeEach(() => metrics.reset());

describe.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('while the wall clock steps %s by an hour', (_, stepMs) => {
  it.each`
    what                                         | answers                                    | ageMs    | keptMs
    ${'a function'}                              | ${['found', 'found']}                      | ${0}     | ${2_500}
    ${'a missing function'}                      | ${['fnNotFound', 'found']}                 | ${0}     | ${1_000}
    ${'a stale function while the source fails'} | ${['found', 'lookupUnavailable', 'found']} | ${5_000} | ${1_000}
  `('$what is cached for the usual time', async ({ answers, ageMs, keptMs }) => {
    const clock = new FakeClock();
    const script: string[] = [...answers];
    let asked = 0;
    const cache = new LookupCache<string>(
      async () => {
        asked += 1;
        const answer = script.shift() ?? 'found';
        if (answer === 'found') return answer;
        throw new FnError(answer as 'fnNotFound' | 'lookupUnavailable');
      },
      { ttlMs: 5_000, missTtlMs: 1_000, fetchTimeoutMs: 1_000, maxEntries: 10 },
      clock,
    );
    const look = async () => {
      try {
        return await cache.get('fn1', caller);
      } catch (error) {
        return (error as FnError).code;
      }
    };
    await look();
    await clock.advance(ageMs);
    await look();
    const before = asked;
    clock.stepWall(stepMs);
    await clock.advance(keptMs - 1);
    await look();
    expect(asked).toBe(before);
    await clock.advance(1);
    expect(await look()).toBe('found');
    // A cached value is refreshed in the background.
    await clock.advance(5);
    expect(asked).toBe(before + 1);
    cache.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('the latency of a call is its real duration, and its events agree', async () => {
    const clock = new FakeClock();
    const runner = new FakeRunner('r1').does(async (call) => {
      await clock.sleep(250);
      clock.stepWall(stepMs);
      await clock.sleep(250);
      return { kind: 'finished', report: reportOf(call) };
    });
    const agent = newLbAgent(
      newStaticRunnerPool(['r1'], () => runner),
      { order: (_call, { candidates }) => candidates },
      { clock },
    );
    const call = await agent.getCall(fromModel(aCall(), Buffer.from('in')), withWriter(new RecordingWriter()));
    const submitted = agent.submit(call);
    await clock.advance(500);
    await submitted;
    expect(metrics.values('lb_call_latency')).toEqual([500]);
    expect(agent.explain(call.model.id)).toMatchObject({ ended_at_ms: 500 });
    await agent.close();
  });

  it('a detached call runs until its deadline, as usual', async () => {
    const clock = new FakeClock();
    const runner = new FakeRunner('r1').hangs();
    const agent = newLbAgent(
      newStaticRunnerPool(['r1'], () => runner),
      { order: (_call, { candidates }) => candidates },
      { clock, timing: { detachedPlacerTimeoutMs: 1_000 }, executionHeadroomMs: 1_000 },
    );
    const call = await agent.getCall(
      fromModel(aCall({ timeoutSeconds: 8 }), Buffer.from('in')),
      withWriter(new RecordingWriter()),
      invokeDetached(),
    );
    const submitted = agent.submit(call).catch(() => undefined);
    await clock.advance(0);
    const deadlineAt = call.deadlineAt ?? 0;
    clock.stepWall(stepMs);
    expect(deadlineAt - clock.now()).toBe(10_000);
    await clock.advance(9_999);
    expect(call.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(call.signal.aborted).toBe(true);
    await submitted;
    await agent.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('bodies that cannot be kept are logged once per minute', async () => {
    const clock = new FakeClock();
    const said: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void said.push(message) };
    const budget = new ReplayBudget({ clock, logger });
    budget.lost('memory_full');
    clock.stepWall(stepMs);
    await clock.advance(59_999);
    budget.lost('memory_full');
    expect(said).toHaveLength(1);
    await clock.advance(1);
    budget.lost('memory_full');
    expect(said).toHaveLength(2);
  });
});
