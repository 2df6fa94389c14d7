import { FakeClock } from '@fnfleet/core';
import { aCall } from '@fnfleet/testing';
import { CallHistory } from './call-history.js';

/** A call that was refused so often that its journal is full. */
function ended(log: CallHistory, id: string): void {
  const history = log.newEntry(aCall({ id }), false);
  if (history === undefined) throw new Error('nothing is kept');
  log.begin(history);
  for (let i = 0; i < 64; i += 1) {
    history.events.offered('runner:9190');
    history.events.said('runner:9190', 'x'.repeat(200));
  }
  history.ended(undefined);
  log.end(history);
}

it('is bounded in bytes too: the oldest calls are dropped when their events are long, however many may be kept', () => {
  const log = new CallHistory(1_000_000, new FakeClock());
  for (let i = 0; i < 1000; i += 1) ended(log, `c${i}`);
  const kept = Array.from({ length: 1000 }, (_, i) => log.find(`c${i}`)).flatMap((history) => history?.bytes ?? []);
  expect(kept.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(16 * 1024 * 1024);
  expect(kept.length).toBeGreaterThan(100);
  expect([log.find('c0'), log.find('c999')?.callId]).toEqual([undefined, 'c999']);
});

it('keeps the last calls, in the order in which they ended', () => {
  const log = new CallHistory(3, new FakeClock());
  for (let i = 0; i < 1000; i += 1) ended(log, `c${i}`);
  expect([996, 997, 999].map((i) => log.find(`c${i}`)?.callId)).toEqual([undefined, 'c997', 'c999']);
});

it('returns the later of two calls with the same id while that one is kept', () => {
  const log = new CallHistory(2, new FakeClock());
  for (const id of ['a', 'b', 'a']) ended(log, id);
  expect(['a', 'b'].map((id) => log.find(id)?.callId)).toEqual(['a', 'b']);
  ended(log, 'c');
  expect(['a', 'b', 'c'].map((id) => log.find(id)?.callId)).toEqual(['a', undefined, 'c']);
});
