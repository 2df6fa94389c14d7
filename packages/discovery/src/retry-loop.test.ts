import { FakeClock } from '@fnfleet/core';
import { type Look, RetryingSource } from './retry-loop.js';
import { Reports } from './test-kit/reports.js';

let clock: FakeClock;
let reports: Reports;
let source: RetryingSource;

beforeEach(() => {
  clock = new FakeClock();
  reports = new Reports();
});
afterEach(async () => {
  await source.close();
  expect(clock.pendingTimers).toBe(0);
});

/** A source whose reads are answered one after the other; the last answer is repeated. */
function start(answers: readonly (number | Error)[], random = () => 1): number[] {
  const looks: number[] = [];
  const look: Look = async (found) => {
    const answer = answers[Math.min(looks.length, answers.length - 1)];
    looks.push(clock.now());
    if (answer instanceof Error) throw answer;
    found.onMembers(['a:1']);
    return answer ?? 0;
  };
  source = new RetryingSource(look, { clock, random });
  source.start(reports);
  return looks;
}

const gaps = (times: readonly number[]) => times.slice(1).map((time, at) => time - (times[at] ?? 0));

it('reads again when its result has expired', async () => {
  const looks = start([1000, 5000]);
  await clock.advance(11_000);
  expect(gaps(looks)).toEqual([1000, 5000, 5000]);
  expect(reports.all).toEqual([['a:1'], ['a:1'], ['a:1'], ['a:1']]);
});

it('waits longer and longer after failures, up to half a minute, forever', async () => {
  const looks = start([new Error('away')]);
  await clock.advance(150_000);
  expect(gaps(looks)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(reports.all.every((report) => report instanceof Error)).toBe(true);
});

it('adds jitter to the waits: the shortest is half of the longest', async () => {
  const looks = start([new Error('away')], () => 0);
  await clock.advance(2000);
  expect(gaps(looks)).toEqual([250, 500, 1000]);
});

it('starts with short waits again after a success', async () => {
  const away = new Error('away');
  const looks = start([away, away, 100, away, 100]);
  await clock.advance(2200);
  expect(gaps(looks).slice(0, 4)).toEqual([500, 1000, 100, 500]);
});

it('reads at once when it is woken; if it is reading, right after that', async () => {
  const looks = start([60_000]);
  source.wake(); // while it looks
  await clock.advance(0);
  expect(looks).toHaveLength(2);
  source.wake(); // while it rests
  await clock.advance(0);
  expect(looks).toHaveLength(3);
  expect(gaps(looks)).toEqual([0, 0]);
});

it('reports nothing once it is closed, and tells the current read to end', async () => {
  let ended = false;
  source = new RetryingSource(
    async (found, signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      ended = true;
      found.onMembers(['too:1']);
      throw new Error('too late');
    },
    { clock, random: Math.random },
  );
  source.start(reports);
  await source.close();
  await source.close();
  expect(ended).toBe(true);
  expect(reports.all).toEqual([]);
});
