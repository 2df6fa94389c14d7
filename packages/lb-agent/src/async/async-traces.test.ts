import { FnError, installTraceEntry, RecordedSpans } from '@fnfleet/core';
import { FakeRunner } from '@fnfleet/placement';
import { type MessageQueue, openSqliteQueue, type RetryPolicy } from '@fnfleet/queue';
import { eventually } from '@fnfleet/testing';
import { queuesOf, untilEnded } from '../test-kit/queued-calls.js';
import { TestFleet } from '../test-kit/test-fleet.js';

let queue: MessageQueue;
let fleet: TestFleet;
let recorded: RecordedSpans;

beforeEach(async () => {
  queue = await openSqliteQueue({ path: ':memory:' });
  recorded = RecordedSpans.install();
});
afterEach(async () => {
  await fleet.close();
  await queue.close();
  recorded.uninstall();
  expect(recorded.spans.filter(({ ended }) => !ended)).toEqual([]);
});

const TWICE: RetryPolicy = { attempts: 2, backoffMs: 0, maxBackoffMs: 0, retryOn: ['function'] };

async function start(runner: FakeRunner, consumers = '4'): Promise<void> {
  fleet = await TestFleet.start([runner], {
    queues: queuesOf(queue, TWICE),
    env: { FN_ASYNC_CONSUMERS: consumers },
  });
}

const ended = (callId: string) => untilEnded(queue, callId);
/** The end of the last span follows the report to the queue. */
const spansEnded = () => eventually(() => expect(recorded.spans.filter(({ ended }) => !ended)).toEqual([]));

async function accepted(path = '/invoke/fn1'): Promise<string> {
  const { body } = await fleet.send(path, { headers: { 'fn-invoke-type': 'async' }, body: 'cat' });
  return JSON.parse(body).call_id;
}

it('each attempt is a trace of its own, with a link to the request that accepted the call', async () => {
  await start(new FakeRunner('r').fails(new FnError('functionFailed'), 'function').finishes());
  const id = await accepted();
  await ended(id);
  await spansEnded();

  expect(recorded.wayTo('mq_push')).toEqual(['POST /invoke/:fn_id', 'mq_push']);
  const [request] = recorded.named('POST /invoke/:fn_id');
  const [push] = recorded.named('mq_push');
  expect(request?.attributes).toMatchObject({ 'fn.call_id': id, 'fn.fn_id': 'fn1' });
  expect(push?.attributes).toMatchObject({ 'fn.call_id': id });

  const attempts = recorded.named('agent_async_run');
  expect(attempts).toMatchObject([
    { parentId: undefined, attributes: { 'fn.call_id': id, 'fn.attempt': 1, 'fn.async_end': 'retry' } },
    { parentId: undefined, attributes: { 'fn.call_id': id, 'fn.attempt': 2, 'fn.async_end': 'complete' } },
  ]);
  expect(attempts.map(({ error }) => error)).toEqual(['function failed', undefined]);
  for (const { links, traceId } of attempts) {
    expect(links).toEqual([[push?.traceId, push?.spanId]]);
    expect(traceId).not.toBe(push?.traceId);
  }
  expect(recorded.wayTo('lb_agent_submit')).toEqual(['agent_async_run', 'lb_agent_submit']);
  expect(recorded.named('lb_agent_submit').map(({ attributes }) => attributes['fn.call_type'])).toEqual([
    'async',
    'async',
  ]);
  const { body } = await fleet.send(`/explain/${id}`, { method: 'GET' });
  expect(JSON.parse(body)).toMatchObject({ type: 'async', trace_id: attempts[1]?.traceId });
});

it('a call of a trigger, and one that cannot run, are traced as well', async () => {
  await start(new FakeRunner('r').finishes());
  await ended(await accepted('/t/shop/hot'));
  await queue.push({ callId: 'c1', fnId: 'gone', head: '{"trace":"nonsense"}', body: Buffer.alloc(0) });
  await ended('c1');
  await spansEnded();
  expect(recorded.named('agent_async_run')).toMatchObject([
    { attributes: { 'fn.async_end': 'complete' }, links: [[expect.any(String), expect.any(String)]] },
    { attributes: { 'fn.async_end': 'bury' }, error: 'Fn not found', links: [] },
  ]);
});

it.each`
  what                 | flags   | traced
  ${'is recorded'}     | ${'01'} | ${1}
  ${'is not recorded'} | ${'00'} | ${0}
`('an attempt of a call whose request $what starts $traced traces, if no others are to be started', async (parts) => {
  const restore = installTraceEntry({ headers: [], begins: () => false });
  await start(new FakeRunner('r').finishes());
  const trace = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${parts.flags}`;
  await queue.push({ callId: 'c1', fnId: 'fn1', head: JSON.stringify({ trace }), body: Buffer.alloc(0) });
  await ended('c1');
  await fleet.close();
  restore();
  const attempts = recorded.named('agent_async_run');
  expect(attempts).toHaveLength(parts.traced);
  for (const { links } of attempts) expect(links).toEqual([trace.split('-').slice(1, 3)]);
});

it('without tracing, nothing of a trace is kept with a call', async () => {
  recorded.uninstall();
  await start(new FakeRunner('r'), '0');
  const payload = await queue.payload(await accepted());
  expect(JSON.parse(payload?.head ?? '')).not.toHaveProperty('trace');
  expect(recorded.spans).toEqual([]);
});
