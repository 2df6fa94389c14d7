import { LaunchForecast } from './launch-forecast.js';

function forecast(serviceMs: number, launchMs: number): LaunchForecast {
  const made = new LaunchForecast();
  made.served(serviceMs);
  made.launched(launchMs);
  return made;
}

it.each`
  title                                             | serviceMs | launchMs | before | hot  | soon
  ${'a quick function serves a long queue in time'} | ${1}      | ${400}   | ${60}  | ${2} | ${true}
  ${'a longer queue is too long'}                   | ${1}      | ${400}   | ${600} | ${2} | ${false}
  ${'a slow function gets its container at once'}   | ${5000}   | ${400}   | ${0}   | ${1} | ${false}
  ${'nothing is hot'}                               | ${1}      | ${400}   | ${0}   | ${0} | ${false}
`('$title', ({ serviceMs, launchMs, before, hot, soon }) => {
  expect(forecast(serviceMs, launchMs).servedWithin(forecast(serviceMs, launchMs).patienceMs, before, hot)).toBe(soon);
});

it('knows nothing before the first call has been served', () => {
  const fresh = new LaunchForecast();
  fresh.launched(400);
  expect(fresh.servedWithin(1000, 0, 5)).toBe(false);
});

it('follows a function that changes', () => {
  const made = forecast(1, 400);
  for (let i = 0; i < 30; i += 1) made.served(1000);
  expect(made.servedWithin(200, 0, 1)).toBe(false);
});

it('a call may wait for half of a launch, in whole milliseconds; a fiftieth of one is a trifle', () => {
  const made = forecast(1, 401);
  expect(made.patienceMs).toBe(201);
  expect(made.trifleMs).toBeCloseTo(8.02);
});

it('before the first launch no call has reason to wait', () => {
  const fresh = new LaunchForecast();
  expect([fresh.patienceMs, fresh.trifleMs]).toEqual([0, 0]);
});

it.each`
  before | hot  | withinMs | soon
  ${0}   | ${1} | ${10}    | ${true}
  ${0}   | ${1} | ${9}     | ${false}
  ${3}   | ${2} | ${20}    | ${true}
  ${3}   | ${2} | ${19}    | ${false}
`(
  'of calls of 10 ms, one with $before before it and $hot hot containers is served within $withinMs ms: $soon',
  (row) => {
    expect(forecast(10, 400).servedWithin(row.withinMs, row.before, row.hot)).toBe(row.soon);
  },
);

it('the newest call and the newest launch count a fifth', () => {
  const made = forecast(100, 400);
  made.served(200);
  expect([made.servedWithin(120, 0, 1), made.servedWithin(119, 0, 1)]).toEqual([true, false]);
  made.launched(900);
  expect(made.patienceMs).toBe(250);
});
