import { wallMs } from '../clock.js';
import { newApp } from '../resources/app.js';
import { changedFn, newFn } from '../resources/fn.js';
import { asyncPolicyOf } from './async-policy.js';

const now = wallMs(1_000);
const fn = (value: unknown) =>
  newFn({ name: 'f', appId: 'app', image: 'img', annotations: { 'fnfleet/async': value } }, 'id', now);

it('a function may say how its asynchronous calls are run, in seconds', () => {
  const { annotations } = fn({
    ...{ attempts: 5, backoff: 0.5, max_backoff: 60, retry_on: ['timeout'], max_age: 3_600, delay: 10 },
    ...{ priority: 2, concurrency: 4, rate: { calls: 100, per: 0.5 } },
  });
  expect(asyncPolicyOf(annotations)).toEqual({
    ...{
      attempts: 5,
      backoffMs: 500,
      maxBackoffMs: 60_000,
      retryOn: ['timeout'],
      maxAgeMs: 3_600_000,
      delayMs: 10_000,
    },
    ...{ priority: 2, concurrency: 4, rate: { calls: 100, perMs: 500 } },
  });
  expect(asyncPolicyOf({})).toEqual({});
});

it('an app may decide what its functions have not decided', () => {
  const { annotations: app } = newApp(
    { name: 'a', annotations: { 'fnfleet/async': { attempts: 2, delay: 1 } } },
    'id',
    now,
  );
  expect(asyncPolicyOf(fn({ attempts: 9 }).annotations, app)).toEqual({ attempts: 9, delayMs: 1_000 });
});

it.each`
  value                                   | problem
  ${true}                                 | ${'it should be an object'}
  ${[]}                                   | ${'it should be an object'}
  ${{ attempt: 3 }}                       | ${'there is no "attempt", only attempts, backoff, max_backoff, retry_on, max_age, delay, priority, concurrency, rate'}
  ${JSON.parse('{"__proto__":1}')}        | ${'there is no "__proto__", only'}
  ${{ constructor: 1 }}                   | ${'there is no "constructor", only'}
  ${{ attempts: 0 }}                      | ${'attempts should be a whole number from 1 to 100'}
  ${{ attempts: 101 }}                    | ${'attempts should be a whole number from 1 to 100'}
  ${{ attempts: 1.5 }}                    | ${'attempts should be a whole number from 1 to 100'}
  ${{ attempts: '3' }}                    | ${'attempts should be a whole number from 1 to 100'}
  ${{ attempts: null }}                   | ${'attempts should be a whole number from 1 to 100'}
  ${{ backoff: -1 }}                      | ${'backoff should be a number of seconds from 0 to 86400'}
  ${{ backoff: 1e300 }}                   | ${'backoff should be a number of seconds from 0 to 86400'}
  ${{ max_backoff: 86_401 }}              | ${'max_backoff should be a number of seconds from 0 to 86400'}
  ${{ retry_on: ['platform'] }}           | ${'retry_on should be a list of timeout, function, each at most once'}
  ${{ retry_on: 'timeout' }}              | ${'retry_on should be a list of timeout, function, each at most once'}
  ${{ retry_on: ['timeout', 'timeout'] }} | ${'retry_on should be a list of timeout, function, each at most once'}
  ${{ max_age: 0 }}                       | ${'max_age should be a number of seconds from 1 to 2592000'}
  ${{ delay: 2_592_001 }}                 | ${'delay should be a number of seconds from 0 to 2592000'}
  ${{ priority: 3 }}                      | ${'priority should be a whole number from 0 to 2'}
  ${{ concurrency: 0 }}                   | ${'concurrency should be a whole number from 1 to 10000'}
  ${{ rate: 5 }}                          | ${'rate should be an object with calls and per'}
  ${{ rate: { calls: 1 } }}               | ${'rate should be an object with calls and per'}
  ${{ rate: { calls: 1, per: 1, x: 1 } }} | ${'rate should be an object with calls and per'}
  ${{ rate: { calls: 0, per: 1 } }}       | ${'rate has a wrong calls, which should be a whole number from 1 to 1000000'}
  ${{ rate: { calls: 1, per: 0 } }}       | ${'rate has a wrong per, which should be a number of seconds from 0.001 to 86400'}
`('$value is refused for a function and for an app, and does not count if it is there', ({ value, problem }) => {
  const message = expect.stringContaining(`annotation fnfleet/async is not valid: ${problem}`);
  expect(() => fn(value)).toThrow(expect.objectContaining({ code: 'asyncPolicyInvalid', message }));
  expect(() => newApp({ name: 'a', annotations: { 'fnfleet/async': value } }, 'id', now)).toThrow(
    expect.objectContaining({ code: 'asyncPolicyInvalid', message }),
  );
  expect(() => changedFn(fn({}), { annotations: { 'fnfleet/async': value } }, now)).toThrow(
    expect.objectContaining({ code: 'asyncPolicyInvalid' }),
  );
  expect(asyncPolicyOf({ 'fnfleet/async': value })).toEqual({});
});

it('a policy without retries is one', () => {
  expect(asyncPolicyOf(fn({ retry_on: [] }).annotations)).toEqual({ retryOn: [] });
});
