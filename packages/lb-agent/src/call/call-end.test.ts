import {
  CancelledError,
  COMPLETED,
  FakeClock,
  FnError,
  failedCall,
  later,
  PeerError,
  RecordedMetrics,
} from '@fnfleet/core';
import { aCall } from '@fnfleet/testing';
import { countEnd, markEnd } from './call-end.js';
import type { LbCall } from './lb-call.js';

const metrics = RecordedMetrics.install();
const clock = new FakeClock();

beforeEach(() => metrics.reset());

const call = (parts: Partial<LbCall>) => ({ arrivedAt: clock.now(), executionNs: 0, ...parts }) as LbCall;
const ago = (ms: number) => later(clock.now(), -ms);

it.each`
  error                                             | metric           | status       | message
  ${undefined}                                      | ${'completed'}   | ${'success'} | ${undefined}
  ${new CancelledError()}                           | ${'canceled'}    | ${'error'}   | ${new FnError('clientCancelled').message}
  ${new FnError('serverBusy')}                      | ${'server_busy'} | ${'error'}   | ${new FnError('serverBusy').message}
  ${new FnError('appOverShare')}                    | ${'server_busy'} | ${'error'}   | ${new FnError('appOverShare').message}
  ${new PeerError(503, 'later', 'platform', '', 9)} | ${'server_busy'} | ${'error'}   | ${'later'}
  ${new FnError('imagePulling')}                    | ${'server_busy'} | ${'error'}   | ${new FnError('imagePulling').message}
  ${new FnError('reservationExpired')}              | ${'timeouts'}    | ${'timeout'} | ${new FnError('reservationExpired').message}
  ${new FnError('callTimeout')}                     | ${'errors'}      | ${'error'}   | ${new FnError('callTimeout').message}
  ${new PeerError(502, 'it broke', 'function')}     | ${'errors'}      | ${'error'}   | ${'it broke'}
  ${new Error('secret')}                            | ${'errors'}      | ${'error'}   | ${new FnError('internal').message}
`('a call that ends with $error counts as $metric', ({ error, metric, status, message }) => {
  const outcome = error === undefined ? COMPLETED : failedCall(error);
  countEnd(call({}), outcome, clock);
  expect(metrics.sum(metric)).toBe(1);
  expect(metrics.values('lb_call_latency', { call_status: metric })).toEqual([0]);

  const model = aCall({ status: 'running' });
  markEnd(model, outcome, clock.wallNow());
  expect([model.status, model.error, model.completedAt]).toEqual([status, message, clock.wallNow()]);
});

it.each`
  what                                                   | parts                                              | ms
  ${'from the start of the placement'}                   | ${{ arrivedAt: ago(50), startedAt: ago(30) }}      | ${30}
  ${'from the arrival, if there was no placement'}       | ${{ arrivedAt: ago(50), startedAt: undefined }}    | ${50}
  ${'without the execution time of the function'}        | ${{ arrivedAt: ago(50), executionNs: 20_000_000 }} | ${30}
  ${'and never below zero, whatever the runner reports'} | ${{ arrivedAt: ago(50), executionNs: 90_000_000 }} | ${0}
`('the latency of the balancer is measured $what', ({ parts, ms }) => {
  countEnd(call(parts), COMPLETED, clock);
  expect(metrics.values('lb_call_latency')).toEqual([ms]);
});
