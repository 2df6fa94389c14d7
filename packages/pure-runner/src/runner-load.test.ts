import { EngagementCounters } from './runner-load.js';

it('engagements are counted once when they begin and once when they end', () => {
  const counters = new EngagementCounters();
  const [first, second] = [counters.enter(), counters.enter()];
  expect(counters.snapshot()).toEqual({ active: 2, requestsReceived: 2, requestsHandled: 0 });
  first();
  first();
  expect([counters.active, counters.snapshot()]).toEqual([1, { active: 1, requestsReceived: 2, requestsHandled: 1 }]);
  second();
  expect(counters.snapshot()).toEqual({ active: 0, requestsReceived: 2, requestsHandled: 2 });
});
