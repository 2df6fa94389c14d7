import { FakeClock } from '@fnfleet/core';
import { LineMerger } from './line-merger.js';

let clock: FakeClock;
let shown: string[];
let merger: LineMerger<{ at: number; text: string }>;

beforeEach(() => {
  clock = new FakeClock();
  shown = [];
  merger = new LineMerger(clock, ({ text }) => shown.push(text));
});
afterEach(() => expect(clock.pendingTimers).toBe(0));

it('puts what arrives within a moment in the order of its time; lines of one time stay as they came', async () => {
  merger.push([
    { at: 10, text: 'b' },
    { at: 30, text: 'd' },
  ]);
  await clock.advance(150);
  merger.push([
    { at: 10, text: 'c' },
    { at: 5, text: 'a' },
  ]);
  expect(shown).toEqual([]);
  await clock.advance(50);
  expect(shown).toEqual(['a', 'b', 'c', 'd']);
  merger.push([{ at: 1, text: 'late' }]);
  await clock.advance(200);
  expect(shown.at(-1)).toBe('late');
});

it('holds nothing back at the end', () => {
  merger.push([{ at: 1, text: 'last' }]);
  merger.flush();
  expect(shown).toEqual(['last']);
});
