import { FakeClock, later } from '@fnfleet/core';
import type { LoadReport } from '@fnfleet/protocol';
import { requestFor } from '../test-fixture.js';
import { CapacityEstimate } from './capacity-estimate.js';

const MB = 1024 * 1024;

let clock: FakeClock;
let estimate: CapacityEstimate;
beforeEach(() => {
  clock = new FakeClock();
  estimate = new CapacityEstimate();
});

const report = (totalMb: number, usedMb: number, idleMb?: number) =>
  estimate.onLoadReport(
    {
      memoryTotalBytes: totalMb * MB,
      memoryUsedBytes: usedMb * MB,
      memoryIdleBytes: idleMb === undefined ? undefined : idleMb * MB,
    } as LoadReport,
    clock.now(),
  );
/** The largest container that fits, MB. */
const largest = () => {
  for (let mb = 1_000; mb > 0; mb -= 1) if (estimate.fits(mb * MB, clock.now())) return mb;
  return 0;
};
const fitsAnything = () => estimate.fits(1e15, clock.now());

it('before the first report anything may fit, even with calls in flight', () => {
  estimate.reserve(requestFor());
  expect(fitsAnything()).toBe(true);
});

it.each`
  total  | used   | idle         | left
  ${500} | ${200} | ${undefined} | ${300}
  ${500} | ${200} | ${50}        | ${350}
  ${500} | ${500} | ${0}         | ${0}
`('of $total MB with $used used and $idle of that idle, $left are left', ({ total, used, idle, left }) => {
  report(total, used, idle);
  expect(largest()).toBe(left);
});

it('for a runner that does not know its memory nothing is estimated', () => {
  report(500, 500);
  report(0, 0);
  expect(fitsAnything()).toBe(true);
});

it('calls offered since the report reduce it, until the next one', () => {
  report(500, 200);
  estimate.reserve(requestFor('a', 100));
  estimate.reserve(requestFor('b', 50));
  expect(largest()).toBe(150);
  report(500, 200);
  expect(largest()).toBe(300);
});

it('memory of calls in flight is never counted as free, whatever a report says', () => {
  const [a, b] = [requestFor('a', 300), requestFor('b', 100)];
  estimate.reserve(a);
  estimate.reserve(b);
  report(500, 0);
  expect(largest()).toBe(100);
  estimate.release(a.call);
  estimate.release(a.call);
  expect(largest()).toBe(400);
  estimate.release(b.call);
  expect(largest()).toBe(500);
});

it('an expired report stops no attempts', async () => {
  report(500, 500);
  expect(estimate.trustedUntil).toBe(later(clock.now(), 2_000));
  await clock.advance(1_999);
  expect(largest()).toBe(0);
  await clock.advance(1);
  expect(fitsAnything()).toBe(true);
});

it('nothing is known about a new process', () => {
  report(500, 500);
  estimate.forget();
  expect(fitsAnything()).toBe(true);
  estimate.reserve(requestFor());
  expect(fitsAnything()).toBe(true);
});
