// needs: nothing
import { type AcceptedCall, type CallJson, type Evidence, judge } from './judge.js';
import type { PlannedCall } from './plan.js';
import type { Run } from './run-recorder.js';

const planned: PlannedCall = {
  label: '1-7',
  kind: 'quick',
  fn: 'patient',
  knobs: {},
  padding: 0,
  end: 'success',
  keyed: false,
  cancelAfterMs: undefined,
};
const failing: PlannedCall = { ...planned, kind: 'fails', end: 'error' };
const ended = (attempt: number, end: string) => ({ attempt, end });
const ran = (...attempts: number[]): Run[] =>
  attempts.map((attempt) => ({ callId: 'c', attempt, label: '1-7', instance: 'i' }));
const succeeded: CallJson = {
  status: 'success',
  attempts: 1,
  failures: 0,
  history: [ended(1, 'completed')],
  result: { status: 200, body: '1-7' },
};
const ranTwice = (firstEnd: string): CallJson => ({
  ...succeeded,
  attempts: 2,
  history: [ended(1, firstEnd), ended(2, 'completed')],
});
const dead: CallJson = {
  status: 'error',
  attempts: 3,
  failures: 3,
  history: [ended(1, 'retried'), ended(2, 'retried'), ended(3, 'dead')],
  request: { body: '{"label":"1-7"}' },
};
const cancelled: CallJson = { ...succeeded, status: 'cancelled', history: [ended(1, 'cancelled')] };

interface Story {
  readonly call?: PlannedCall;
  readonly cancel?: AcceptedCall['cancel'];
  readonly record?: CallJson | undefined;
  readonly runs?: readonly Run[];
}

const evidence = ({ call = planned, cancel, record, runs = ran(1) }: Story): Evidence => ({
  accepted: [{ callId: 'c', call, cancel }],
  records: new Map(record === undefined ? [] : [['c', record]]),
  runs,
});

it.each<[string, Story]>([
  ['succeeds at once', { record: succeeded }],
  ['runs again after its lease expired', { record: ranTwice('lease_expired'), runs: ran(1, 2) }],
  ['runs again after its runner was lost', { record: ranTwice('retried'), runs: ran(1, 2) }],
  ['was leased by a balancer that was killed before it ran', { record: ranTwice('lease_expired'), runs: ran(2) }],
  ['was given back', { record: { ...succeeded, history: [ended(1, 'given_back'), ended(1, 'completed')] } }],
  ['fails until it is dead', { call: failing, record: dead, runs: ran(1, 2, 3) }],
  ['is cancelled while it runs', { cancel: 'cancelled', record: cancelled }],
  ['is cancelled by a request whose answer was lost', { cancel: 'unanswered', record: cancelled }],
  ['ended before it could be cancelled', { cancel: 'ended', record: succeeded }],
])('nothing is wrong with a call that %s', (_what, story) => {
  expect(judge(evidence(story)).violations).toEqual([]);
});

it.each<[string, RegExp, Story]>([
  ['is not known any more', /^lost: accepted, and not known/, { record: undefined }],
  ['still waits', /^lost: accepted, and still queued/, { record: { ...succeeded, status: 'queued', history: [] } }],
  ['succeeded without having run', /never ran/, { record: succeeded, runs: [] }],
  ['ran twice in one attempt', /^duplicate: attempt 1 ran 2 times/, { record: succeeded, runs: ran(1, 1) }],
  [
    'ran again after it had completed',
    /^duplicate: ran as attempt 2, but it has 1/,
    { record: succeeded, runs: ran(1, 2) },
  ],
  [
    'ran again for no reason',
    /^duplicate: ran again although attempt 1 ended as completed/,
    { record: ranTwice('completed'), runs: ran(1, 2) },
  ],
  [
    'ran without knowing its attempt',
    /^duplicate: ran as attempt NaN/,
    { record: succeeded, runs: [...ran(1), ...ran(Number.NaN)] },
  ],
  [
    'is dead although its function does not fail',
    /^ended as error and not as success/,
    { record: dead, runs: ran(1, 2, 3) },
  ],
  [
    'is dead too soon',
    /^dead after 2 failures/,
    { call: failing, record: { ...dead, failures: 2 }, runs: ran(1, 2, 3) },
  ],
  [
    'is dead without its body',
    /^the dead letter has the body/,
    { call: failing, record: { ...dead, request: { body: '' } }, runs: ran(1) },
  ],
  [
    'is charged for a lost runner',
    /^1 failures are counted/,
    { record: { ...ranTwice('retried'), failures: 1 }, runs: ran(1, 2) },
  ],
  [
    'has an attempt without an end',
    /^2 attempts, and ends of attempts 2/,
    { record: { ...ranTwice('x'), history: [ended(2, 'completed')] }, runs: ran(2) },
  ],
  [
    'has the result of another',
    /^its result is 1-8/,
    { record: { ...succeeded, result: { status: 200, body: '1-8' } } },
  ],
  [
    'succeeds after its client was told that it is cancelled',
    /^cancelled with 204/,
    { cancel: 'cancelled', record: succeeded },
  ],
  ['is cancelled by nobody', /^cancelled, although/, { record: cancelled }],
])('a call that %s is noticed', (_what, expected, story) => {
  const found = judge(evidence(story)).violations.map(({ what }) =>
    what.replace('quick 1-7: ', '').replace('fails 1-7: ', ''),
  );
  expect(found).toContainEqual(expect.stringMatching(expected));
});

it('two calls with one idempotency key are noticed', () => {
  const runs = [...ran(1), { callId: 'other', attempt: 1, label: '1-7', instance: 'i' }];
  const { violations } = judge(evidence({ call: { ...planned, keyed: true }, record: succeeded, runs }));
  expect(violations).toEqual([{ callId: 'other', what: expect.stringContaining('its key stands for c') }]);
});
