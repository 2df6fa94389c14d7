import { FakeClock } from '@fnfleet/core';
import { PlacementJournal } from './journal.js';

it('stamps what happens with the time since the call arrived', async () => {
  const clock = new FakeClock();
  const journal = new PlacementJournal(clock, true);
  journal.skipped('a', 'no room');
  journal.offered('b');
  await clock.advance(2);
  journal.said('b', 'refused: busy');
  journal.queued();
  await clock.advance(10);
  journal.woken('room');
  expect(journal.entries).toEqual([
    { atMs: 0, event: 'skipped', runner: 'a', text: 'no room' },
    { atMs: 0, event: 'offered', runner: 'b', text: '' },
    { atMs: 2, event: 'said', runner: 'b', text: 'refused: busy' },
    { atMs: 2, event: 'queued', runner: undefined, text: '' },
    { atMs: 12, event: 'woken', runner: undefined, text: 'room' },
  ]);
});

it('an ordinary call does not pay for the runners that are skipped', () => {
  const journal = new PlacementJournal(new FakeClock(), false);
  journal.skipped('a', 'no room');
  expect(journal).toMatchObject({ entries: [], omitted: 0 });
});

it('a fleet of a thousand full runners does not fill it', () => {
  const journal = new PlacementJournal(new FakeClock(), true);
  for (let i = 0; i < 1000; i += 1) journal.skipped(`r${i}`, 'no room');
  expect(journal.entries).toHaveLength(32);
  expect(journal.omitted).toBe(968);
});

it('a call that is refused for long keeps how it began and what came last', () => {
  const journal = new PlacementJournal(new FakeClock(), false);
  for (let i = 0; i < 10_000; i += 1) journal.offered(`r${i}`);
  const runners = journal.entries.map(({ runner }) => runner);
  expect([runners[0], runners.at(-1)]).toEqual(['r0', 'r9999']);
  expect(runners.length).toBeLessThanOrEqual(128);
  expect(runners.length + journal.omitted).toBe(10_000);
});
