import { RecordedSpans } from '@fnfleet/core';
import { FakeRunner } from '@fnfleet/placement';
import { TestFleet } from '../test-kit/test-fleet.js';

let fleet: TestFleet;
let recorded: RecordedSpans;
beforeEach(() => {
  recorded = RecordedSpans.install();
});
afterEach(async () => {
  await fleet.close();
  recorded.uninstall();
  expect(recorded.spans.filter(({ ended }) => !ended)).toEqual([]);
});

it('the trace has the runners tried, their answers, and the result', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1').refuses(), new FakeRunner('r2').finishes()]);
  const answer = await fleet.send('/invoke/fn1');
  expect(recorded.wayTo('lb_agent_submit')).toEqual(['POST /invoke/:fn_id', 'lb_agent_submit']);
  const [span] = recorded.named('lb_agent_submit');
  const { body } = await fleet.send(`/explain/${answer.headers['fn-call-id']}`, { method: 'GET' });
  expect(JSON.parse(body).trace_id).toBe(span?.traceId);
  expect(span?.error).toBeUndefined();
  expect(span?.attributes).toMatchObject({ 'fn.call_id': answer.headers['fn-call-id'], 'fn.fn_id': 'fn1' });
  expect(span?.events.map(({ name, attributes }) => [name, attributes.runner])).toEqual([
    ['offered', 'r1'],
    ['said', 'r1'],
    ['offered', 'r2'],
    ['said', 'r2'],
  ]);
});

it('a failed call has its error', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1').fails(new Error('stream lost'))]);
  await fleet.send('/invoke/fn1');
  expect(recorded.named('lb_agent_submit')).toMatchObject([{ error: 'stream lost' }]);
  expect(recorded.named('POST /invoke/:fn_id')).toMatchObject([{ error: expect.stringContaining('status 50') }]);
});

it('the trace has the request id', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1').finishes()], { env: { FN_RID_HEADER: 'X-Request' } });
  await fleet.send('/invoke/fn1', { headers: { 'X-Request': 'r-1' } });
  expect(recorded.named('lb_agent_submit')).toMatchObject([{ attributes: { 'fn.rid': 'r-1' } }]);
});

it('the trace of a call that waited for a runner has the waiting time', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1').refuses().finishes()]);
  await fleet.send('/invoke/fn1');
  expect(recorded.wayTo('lb_queue')).toEqual(['POST /invoke/:fn_id', 'lb_agent_submit', 'lb_queue']);
});
