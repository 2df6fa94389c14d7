import { CancelledError, FakeClock, FnError, RecordedMetrics } from '@fnfleet/core';
import { FakeRunner, reportOf } from './fake-runner.js';
import { placeCall } from './place-call.js';
import type { RunnerList } from './runner.js';
import { aCall } from './test-call.js';

const metrics = RecordedMetrics.install();
const timing = { placerTimeoutMs: 1000, detachedPlacerTimeoutMs: 100, retryAllDelayMs: 10 };

let clock: FakeClock;
let caller: AbortController;
beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  caller = new AbortController();
});

it('protocol 91: two refusals, then success: the time the function ran is not placement time', async () => {
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
  expect(metrics.values('lb_placer_latency')).toEqual([20]);
  // protocol 90: it ran for longer than it may take to place a call.
  expect(metrics.sum('lb_placer_timeout_count')).toBe(0);
});

it('protocol 86: counts each pass over an empty fleet, and the timeout', async () => {
  const placed = place({ runners: [] });
  await clock.advance(1000);
  await placed;

  expect(metrics.sum('lb_placer_rp_empty_count')).toBe(100);
  expect(metrics.sum('lb_placer_timeout_count')).toBe(1);
  expect(metrics.sum('lb_placer_rp_error_count')).toBe(0);
  expect(metrics.values('lb_placer_attempt_count')).toEqual([0]);
});

it('tells an unreachable runner from a full one, and counts a pool’s error', async () => {
  const gone = new FakeRunner('r1').refuses('unreachable', new Error('ECONNREFUSED'));
  const placed = place({ runners: [gone], error: new FnError('internal') });
  await clock.advance(1000);
  await placed;

  expect(metrics.sum('lb_placer_retry_error_count')).toBe(100);
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
  const pool = { runners: () => list, close: async () => undefined };
  const placer = { order: (_call: unknown, runners: RunnerList['runners']) => runners };
  return placeCall(aCall(), { pool, placer, clock, timing }, caller.signal);
}
