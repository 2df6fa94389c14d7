import { FakeClock } from '@fnfleet/core';
import { PlacementEvents } from './placement-events.js';

it('records events with the time since the call arrived', async () => {
  const clock = new FakeClock();
  const events = new PlacementEvents(clock, true);
  events.skipped('a', 'no room');
  events.offered('b');
  await clock.advance(2);
  events.said('b', 'refused: busy');
  events.queued();
  await clock.advance(10);
  events.woken('room');
  expect(events.entries).toEqual([
    { atMs: 0, event: 'skipped', runner: 'a', text: 'no room' },
    { atMs: 0, event: 'offered', runner: 'b', text: '' },
    { atMs: 2, event: 'said', runner: 'b', text: 'refused: busy' },
    { atMs: 2, event: 'queued', runner: undefined, text: '' },
    { atMs: 12, event: 'woken', runner: undefined, text: 'room' },
  ]);
});

it('does not record skipped runners for an ordinary call', () => {
  const events = new PlacementEvents(new FakeClock(), false);
  events.skipped('a', 'no room');
  expect(events).toMatchObject({ entries: [], omitted: 0 });
});

it('is not filled by a fleet of a thousand full runners', () => {
  const events = new PlacementEvents(new FakeClock(), true);
  for (let i = 0; i < 1000; i += 1) events.skipped(`r${i}`, 'no room');
  expect(events.entries).toHaveLength(32);
  expect(events.omitted).toBe(968);
});

it('keeps the beginning and the newest events of a call that is refused for long', () => {
  const events = new PlacementEvents(new FakeClock(), false);
  for (let i = 0; i < 10_000; i += 1) events.offered(`r${i}`);
  const runners = events.entries.map(({ runner }) => runner);
  expect([runners[0], runners.at(-1)]).toEqual(['r0', 'r9999']);
  expect(runners.length).toBeLessThanOrEqual(128);
  expect(runners.length + events.omitted).toBe(10_000);
});
