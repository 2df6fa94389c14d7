import { FakeClock } from '@fnfleet/core';
import { PlacementEvents } from './placement-events.js';

it('stamps what happens with the time since the call arrived', async () => {
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

it('an ordinary call does not pay for the runners that are skipped', () => {
  const events = new PlacementEvents(new FakeClock(), false);
  events.skipped('a', 'no room');
  expect(events).toMatchObject({ entries: [], omitted: 0 });
});

it('a fleet of a thousand full runners does not fill it', () => {
  const events = new PlacementEvents(new FakeClock(), true);
  for (let i = 0; i < 1000; i += 1) events.skipped(`r${i}`, 'no room');
  expect(events.entries).toHaveLength(32);
  expect(events.omitted).toBe(968);
});

it('a call that is refused for long keeps how it began and what came last', () => {
  const events = new PlacementEvents(new FakeClock(), false);
  for (let i = 0; i < 10_000; i += 1) events.offered(`r${i}`);
  const runners = events.entries.map(({ runner }) => runner);
  expect([runners[0], runners.at(-1)]).toEqual(['r0', 'r9999']);
  expect(runners.length).toBeLessThanOrEqual(128);
  expect(runners.length + events.omitted).toBe(10_000);
});
