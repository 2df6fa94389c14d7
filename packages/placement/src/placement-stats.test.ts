import { CancelledError, FakeClock, FnError, RecordedMetrics } from '@fnfleet/core';
import { Dispatcher } from './dispatch/dispatcher.js';
import { FakeRunner, reportOf } from './fake-runner.js';
import type { Placer } from './placer.js';
import type { RunnerList, RunnerPool } from './runner.js';
import { aCall } from './test-fixture.js';

const metrics = RecordedMetrics.install();
const timing = { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 100, retryAllDelayMs: 10 };

let clock: FakeClock;
let caller: AbortController;
beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  caller = new AbortController();
});

it('protocol 90, 91: two refusals, then success: the time the function ran is not placement time', async () => {
  const runner = new FakeRunner('r1')
    .refuses()
    .refuses()
    .does(async (call) => {
      await clock.sleep(5000);
      return { kind: 'finished', report: reportOf(call) };
    });
  const placed = place({ runners: [runner] });
  await clock.advance(6000);
  await placed;

  expect(metrics.values('lb_placer_attempt_count')).toEqual([3]);
  expect(metrics.sum('lb_placer_retry_busy_count')).toBe(2);
  expect(metrics.sum('lb_placer_placed_ok_count')).toBe(1);
  expect(metrics.values('lb_placer_latency')).toEqual([45]);
  // It ran longer than the placement time.
  expect(metrics.sum('lb_placer_timeout_count')).toBe(0);
});

it('protocol 86: counts each pass over an empty fleet, and the timeout', async () => {
  const placed = place({ runners: [] });
  await clock.advance(1000);
  await placed;

  // 10 ms between the first two, then more and more.
  expect(metrics.sum('lb_placer_rp_empty_count')).toBe(7);
  expect(metrics.sum('lb_placer_timeout_count')).toBe(1);
  expect(metrics.sum('lb_placer_rp_error_count')).toBe(0);
  expect(metrics.values('lb_placer_attempt_count')).toEqual([0]);
});

it('distinguishes an unreachable runner from a full one, and counts errors of the pool', async () => {
  const gone = new FakeRunner('r1').refuses('unreachable', new Error('ECONNREFUSED'));
  const placed = place({ runners: [gone], error: new FnError('internal') });
  await clock.advance(1000);
  await placed;

  expect(metrics.sum('lb_placer_retry_error_count')).toBe(5);
  expect(metrics.sum('lb_placer_retry_busy_count')).toBe(0);
  expect(metrics.sum('lb_placer_rp_error_count')).toBe(1);
});

it.each`
  reason                               | metric
  ${new CancelledError()}              | ${'lb_placer_client_cancelled_count'}
  ${new FnError('reservationExpired')} | ${'lb_placer_client_timeout_count'}
`('a call that ends on its runner because of its caller counts in $metric', async ({ reason, metric }) => {
  const placed = place({ runners: [new FakeRunner('r1').hangs()] });
  await clock.advance(1);
  caller.abort(reason);
  await placed;

  expect(metrics.sum(metric)).toBe(1);
  expect(metrics.sum('lb_placer_placed_abort_count')).toBe(1);
  expect(metrics.sum('lb_placer_placed_error_count')).toBe(0);
});

it('a function that fails counts as placed with an error', async () => {
  await place({ runners: [new FakeRunner('r1').fails(new FnError('functionFailed'))] });
  expect(metrics.sum('lb_placer_placed_error_count')).toBe(1);
});

function place(list: RunnerList) {
  const pool: RunnerPool = { runners: () => list, close: async () => undefined };
  const placer: Placer = { order: (_call, { candidates }) => candidates };
  const limits = { maxCalls: 10, maxBytes: 1000 };
  const dispatcher = new Dispatcher({ pool, placer, clock, timing, limits, health: { probeMs: 0 }, random: () => 0.5 });
  return dispatcher.place(aCall(), caller.signal).finally(() => dispatcher.close());
}
