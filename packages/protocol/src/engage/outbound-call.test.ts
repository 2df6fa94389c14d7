import { FnError, NO_TRACE, openSpan, RecordedSpans, SpanKind } from '@fnfleet/core';
import { NOTHING_REPORTED } from '../wire/codec.js';
import { type AttemptOutcome, closeOffer, type OutboundCall, openOffer } from './outbound-call.js';

let recorded: RecordedSpans;
beforeEach(() => {
  recorded = RecordedSpans.install();
});
afterEach(() => recorded.uninstall());

const error = new FnError('functionFailed');

it.each<[AttemptOutcome, string, string | undefined]>([
  [{ kind: 'finished', report: NOTHING_REPORTED }, 'finished', undefined],
  [{ kind: 'failed', blame: 'function', error }, 'failed', error.message],
  [{ kind: 'refused', reason: 'busy', error }, 'refused: busy', undefined],
  [{ kind: 'refused', reason: 'unreachable', error }, 'refused: unreachable', error.message],
  [{ kind: 'refused', reason: 'lost', error }, 'refused: lost', error.message],
])('the trace has the runner and the outcome of the attempt: %o', (outcome, words, failure) => {
  const { context: trace } = openSpan('call', NO_TRACE, SpanKind.SERVER) ?? {};
  const opened = openOffer({ trace } as OutboundCall, 'r1:9190');
  if (opened === undefined) throw new Error('nothing is recorded');
  expect(recorded.wayTo('send_to_runner')).toEqual(['call', 'send_to_runner']);
  closeOffer(opened, outcome);
  expect(recorded.named('send_to_runner')).toMatchObject([
    { attributes: { 'fn.runner': 'r1:9190', 'fn.outcome': words }, error: failure, ended: true },
  ]);
});

it('a call without a trace has no span', () => {
  expect(openOffer({} as OutboundCall, 'r1:9190')).toBeUndefined();
});
