import type { AgentCall } from '@fnfleet/agent';
import { CallDecodeError, CancelledError, FakeClock, FnError, later, PeerError } from '@fnfleet/core';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import { aCall } from '@fnfleet/testing';
import { callReport } from './call-report.js';

const clock = new FakeClock();

function call(parts: Partial<AgentCall['model']> = {}): AgentCall {
  const timings = {
    schedulerNs: 1,
    executionNs: 2,
    imagePullWaitNs: 3,
    containerPrepareNs: 4,
    containerCreateNs: 5,
    containerInitNs: 6,
  };
  return { model: aCall({ id: 'c1', image: 'img', ...parts }), timings } as AgentCall;
}

it('a successful call: its identity, its dates and its durations', () => {
  const [createdAt, startedAt, completedAt] = [0, 10, 30].map((ms) => later(clock.wallNow(), ms));
  expect(callReport(call({ createdAt: createdAt as never, startedAt, completedAt }), undefined, clock)).toEqual({
    success: true,
    callId: 'c1',
    image: 'img',
    errorCode: 0,
    errorText: '',
    log: '',
    errorDetail: '',
    errorUser: false,
    retryAfterSeconds: 0,
    createdAt,
    startedAt,
    completedAt,
    schedulerNs: 1,
    executionNs: 2,
    imagePullWaitNs: 3,
    containerPrepareNs: 4,
    containerCreateNs: 5,
    containerInitNs: 6,
  });
});

it('the error detail for operators is included, and fits into a message', () => {
  const report = (detail: string) => callReport(call(), new FnError('functionResponse', { detail }), clock);
  expect(report('exit code 9')).toMatchObject({
    errorText: new FnError('functionResponse').message,
    errorDetail: 'exit code 9',
  });
  expect(report('x'.repeat(10_000)).errorDetail).toHaveLength(8 * 1024);
});

it.each`
  error                                                                                | seconds
  ${new FnError('imagePulling', { params: { image: 'a:1' }, retryAfterSeconds: 2.1 })} | ${3}
  ${new FnError('imagePulling', { params: { image: 'a:1' } })}                         | ${10}
  ${new FnError('serverBusy', { retryAfterSeconds: 5 })}                               | ${0}
`('the report of "$error.message" has a retry delay of $seconds s', ({ error, seconds }) => {
  expect(callReport(call(), error, clock)).toMatchObject({
    errorCode: 503,
    errorText: error.message,
    errorUser: false,
    retryAfterSeconds: seconds,
  });
});

it('a call that could not be built: only the reason', () => {
  expect(callReport(undefined, new FnError('serverBusy'), clock)).toEqual({
    ...NOTHING_REPORTED,
    errorCode: 503,
    errorText: new FnError('serverBusy').message,
  });
  expect(callReport(undefined, undefined, clock)).toEqual({ ...NOTHING_REPORTED, success: true });
});

it('a call that never started has no end; a started one without an end ends now', () => {
  expect(callReport(call({ startedAt: undefined }), undefined, clock).completedAt).toBeUndefined();
  const startedAt = clock.wallNow();
  expect(callReport(call({ startedAt, completedAt: undefined }), undefined, clock).completedAt).toEqual(
    clock.wallNow(),
  );
});

it.each`
  what                                                   | error                                                   | code   | text                                     | user
  ${'the function’s fault'}                              | ${new FnError('functionFailed')}                        | ${502} | ${new FnError('functionFailed').message} | ${true}
  ${'the caller’s fault'}                                | ${new FnError('resourceTooBig')}                        | ${400} | ${new FnError('resourceTooBig').message} | ${true}
  ${'the platform’s fault'}                              | ${new FnError('serverBusy')}                            | ${503} | ${new FnError('serverBusy').message}     | ${false}
  ${'an error of a function, reported by a peer'}        | ${new PeerError(504, 'too slow', 'function')}           | ${504} | ${'too slow'}                            | ${true}
  ${'an error of the platform, reported by a peer'}      | ${new PeerError(500, 'disk full', 'platform')}          | ${500} | ${'disk full'}                           | ${false}
  ${'an internal error with a cause, which is reported'} | ${new FnError('internal', { cause: new Error('why') })} | ${0}   | ${'why'}                                 | ${false}
  ${'an internal error without a cause'}                 | ${new FnError('internal')}                              | ${0}   | ${new FnError('internal').message}       | ${false}
  ${'an error that is not in the table'}                 | ${new Error('surprise')}                                | ${0}   | ${'surprise'}                            | ${false}
  ${'a call that cannot be decoded'}                     | ${new CallDecodeError('no id')}                         | ${0}   | ${'no id'}                               | ${true}
  ${'a caller that disconnected'}                        | ${new CancelledError('gone')}                           | ${0}   | ${'gone'}                                | ${false}
  ${'an error without a message'}                        | ${new Error('')}                                        | ${0}   | ${'unknown error'}                       | ${false}
  ${'a thrown text'}                                     | ${'a text'}                                             | ${0}   | ${'unknown error'}                       | ${false}
`('$what: code $code, "$text"', ({ error, code, text, user }) => {
  expect(callReport(call(), error, clock)).toMatchObject({
    success: false,
    errorCode: code,
    errorText: text,
    errorUser: user,
    callId: 'c1',
  });
});

it('untrusted texts are truncated, so that the report fits into a message', () => {
  const long = 'x'.repeat(10_000);
  const report = callReport(call({ id: long, image: long }), new PeerError(500, long, 'platform'), clock);
  for (const text of [report.callId, report.image, report.errorText]) expect(text).toHaveLength(8192);
  expect(callReport(call(), new Error(long), clock).errorText).toHaveLength(8192);
});
