import { FakeClock, type WallMs, wallMs } from '@fnfleet/core';
import { LineMerger } from './line-merger.js';

let clock: FakeClock;
let shown: string[];
let merger: LineMerger<{ at: WallMs; text: string }>;

beforeEach(() => {
  clock = new FakeClock();
  shown = [];
  merger = new LineMerger(clock, ({ text }) => shown.push(text));
});
afterEach(() => expect(clock.pendingTimers).toBe(0));

it('sorts lines that arrive together by time, and keeps the order of equal times', async () => {
  merger.push([
    { at: wallMs(10), text: 'b' },
    { at: wallMs(30), text: 'd' },
  ]);
  await clock.advance(150);
  merger.push([
    { at: wallMs(10), text: 'c' },
    { at: wallMs(5), text: 'a' },
  ]);
  expect(shown).toEqual([]);
  await clock.advance(50);
  expect(shown).toEqual(['a', 'b', 'c', 'd']);
  merger.push([{ at: wallMs(1), text: 'late' }]);
  await clock.advance(200);
  expect(shown.at(-1)).toBe('late');
});

it('emits all held lines at the end', () => {
  merger.push([{ at: wallMs(1), text: 'last' }]);
  merger.flush();
  expect(shown).toEqual(['last']);
});
