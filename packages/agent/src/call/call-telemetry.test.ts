import { CancelledError, FnError, RecordedMetrics } from '@fnfleet/core';
import { aCall } from '@fnfleet/testing';
import { countUnstarted, endStarted } from './call-telemetry.js';

const metrics = RecordedMetrics.install();
beforeEach(() => metrics.reset());

const counted = () =>
  (['completed', 'timeouts', 'server_busy', 'canceled', 'errors'] as const).filter((name) => metrics.sum(name) === 1);

it.each`
  error                             | metric
  ${new FnError('serverBusy')}      | ${'server_busy'}
  ${new CancelledError()}           | ${'canceled'}
  ${new FnError('imagePullFailed')} | ${'errors'}
  ${new FnError('callTimeout')}     | ${'errors'}
  ${new Error('surprise')}          | ${'errors'}
`('a call that ends with $error before it has started counts as $metric', ({ error, metric }) => {
  countUnstarted(error);
  expect(counted()).toEqual([metric]);
});

it.each`
  error                            | status       | text                                     | metric
  ${undefined}                     | ${'success'} | ${undefined}                             | ${'completed'}
  ${new FnError('callTimeout')}    | ${'timeout'} | ${undefined}                             | ${'timeouts'}
  ${new FnError('functionFailed')} | ${'error'}   | ${new FnError('functionFailed').message} | ${'errors'}
  ${new FnError('serverBusy')}     | ${'error'}   | ${new FnError('serverBusy').message}     | ${'errors'}
  ${new CancelledError('left')}    | ${'error'}   | ${'left'}                                | ${'canceled'}
  ${'a text'}                      | ${'error'}   | ${'a text'}                              | ${'errors'}
`(
  'a call that has started and ends with $error is a $status and counts as $metric',
  ({ error, status, text, metric }) => {
    const model = aCall({ status: 'running' });
    endStarted(model, error === undefined ? { kind: 'completed' } : { kind: 'failed', error });
    expect([model.status, model.error, counted()]).toEqual([status, text, [metric]]);
  },
);
