import { FakeClock, FnError, formatDate, PeerError } from '@fnfleet/core';
import { PlacementEvents } from '@fnfleet/placement';
import { aCall } from '@fnfleet/testing';
import { CallHistoryEntry } from './call-history-entry.js';

let clock: FakeClock;
let history: CallHistoryEntry;
beforeEach(() => {
  clock = new FakeClock();
  history = new CallHistoryEntry(
    aCall({ id: 'c1', fnId: 'fn1', appId: 'app1', type: 'sync' }),
    new PlacementEvents(clock, true),
  );
});

const TIMINGS = {
  schedulerNs: 1_000_000,
  executionNs: 2_000_400,
  imagePullWaitNs: 3_000_000,
  containerPrepareNs: 4_000_000,
  containerCreateNs: 5_000_000,
  containerInitNs: 6_000_000,
};

it('a call in flight has its ids and its arrival', () => {
  expect(history.explanation()).toEqual({
    call_id: 'c1',
    fn_id: 'fn1',
    app_id: 'app1',
    type: 'sync',
    arrived_at: formatDate(clock.wallNow()),
    state: 'under way',
    events: [],
    omitted: 0,
  });
  expect(history.summary(true)).toBe('');
});

it('times of its runner are shown in milliseconds with microsecond precision', () => {
  history.reported({ ...TIMINGS, executionNs: 2_000_400 });
  expect(history.explanation().on_runner).toEqual({
    waited_ms: 1,
    image_pull_ms: 3,
    container_prepare_ms: 4,
    container_create_ms: 5,
    container_init_ms: 6,
    executed_ms: 2,
  });
  expect(history.summary(true)).toBe('; waited=1.0ms; pull=3.0ms; prepare=4.0ms; create=5.0ms; init=6.0ms');
});

it('the short form omits zero times', () => {
  const none = { schedulerNs: 0, imagePullWaitNs: 0, containerPrepareNs: 0, containerCreateNs: 0, containerInitNs: 0 };
  history.reported({ ...TIMINGS, ...none });
  expect(history.summary(true)).toBe('');
});

it('the time in the queue is the sum of all waits', async () => {
  const { events } = history;
  events.woken('before it waited');
  for (const ms of [10, 5]) {
    events.queued();
    await clock.advance(ms);
    events.woken('room');
    await clock.advance(100);
  }
  events.queued();
  await clock.advance(50);
  expect(history.summary(true)).toBe('; queued=15.0ms');
});

it('shows the runners tried, their answers, and why others were skipped', async () => {
  const { events } = history;
  events.skipped('r1', 'no room');
  events.offered('r2');
  await clock.advance(1.23456);
  events.said('r2', 'finished');
  expect(history.summary(true)).toBe('; asked=r1 skipped (no room), r2 finished');
  expect(history.explanation().events).toEqual([
    { at_ms: 0, event: 'skipped', runner: 'r1', text: 'no room' },
    { at_ms: 0, event: 'offered', runner: 'r2' },
    { at_ms: 1.235, event: 'said', runner: 'r2', text: 'finished' },
  ]);
});

it('the short form fits into a header: at most sixteen runners, and only valid characters', () => {
  for (let i = 0; i < 20; i += 1) history.events.said(`r${i}`, 'busy');
  expect(history.summary(true).split(', ')).toHaveLength(16);
  const odd = new CallHistoryEntry(aCall(), new PlacementEvents(clock, true));
  odd.events.said('r1', 'gr\u00fcn; \r\nX: y\u007f');
  expect(odd.summary(true)).toBe('; asked=r1 gr?n? ??X: y?');
});

const DIED = new PeerError(502, 'function failed', 'function', 'exit code 9');

it.each`
  error                         | state         | text
  ${undefined}                  | ${'answered'} | ${undefined}
  ${new Error('it broke')}      | ${'failed'}   | ${'it broke'}
  ${DIED}                       | ${'failed'}   | ${'function failed: exit code 9'}
  ${'a text'}                   | ${'failed'}   | ${new FnError('internal').message}
  ${new Error('x'.repeat(600))} | ${'failed'}   | ${'x'.repeat(500)}
`('a call that ended is $state', async ({ error, state, text }) => {
  await clock.advance(12.3456);
  history.ended(error);
  const { error: told, state: ended, ended_at_ms } = history.explanation();
  expect([ended, told, ended_at_ms]).toEqual([state, text, 12.346]);
});

it('names its trace when it is part of one', () => {
  history.traceId = 'abc';
  expect(history.explanation().trace_id).toBe('abc');
});

it('its size grows with its events', () => {
  const before = history.bytes;
  history.events.said('r1', 'x'.repeat(100));
  expect(history.bytes - before).toBe(96 + 200);
  expect(before).toBe(512);
});
