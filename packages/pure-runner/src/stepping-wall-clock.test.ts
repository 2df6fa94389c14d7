import { FakeClock } from '@fnfleet/core';
import { StatusCache } from './runner-status-report.js';

const HOUR_MS = 3_600_000;
const caller = new AbortController().signal;

it.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('the wall clock steps %s by an hour: the result of a check is cached for the usual time', async (_, stepMs) => {
  const clock = new FakeClock();
  let checks = 0;
  const cache = new StatusCache(clock, 1_500, async () => {
    checks += 1;
    return checks;
  });
  await cache.get('', caller);
  clock.stepWall(stepMs);
  await clock.advance(1_499);
  expect(await cache.get('', caller)).toEqual({ result: 1, cached: true });
  await clock.advance(1);
  expect(await cache.get('', caller)).toEqual({ result: 2, cached: false });
});
