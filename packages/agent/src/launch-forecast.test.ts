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
