import { fn } from '@fnfleet/drivers';
import { withSignal } from './call-options.js';
import { NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

let test: TestAgent;
afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

/** Answers after so many milliseconds, and says when it has been called. */
function slow(ms: number, called: () => void) {
  return fn((request, response) => {
    request.resume().once('end', called);
    setTimeout(() => response.end('late'), ms).unref();
  });
}

it.each`
  title                                                         | ms       | created
  ${'E5: a function that soon ends by itself serves on'}        | ${20}    | ${1}
  ${'E5: a function that does not is taken down with its call'} | ${5_000} | ${2}
`('$title', async ({ ms, created }) => {
  const caller = new AbortController();
  let calls = 0;
  test = new TestAgent({
    slow: slow(ms, () => {
      calls += 1;
      if (calls === 1) caller.abort();
    }),
    quick: fn((request, response) => request.resume().once('end', () => response.end('ok'))),
  });
  const left = await test.invoke({ image: 'slow', options: [withSignal(caller.signal)] });
  expect(await outcomeOf(left.done)).toBe('CancelledError');
  if (ms < 100) expect((await test.answer({ image: 'slow' })).body.toString()).toBe('late');
  else await test.answer({ image: 'quick' });
  expect(test.driver.counters.created).toBe(created);
});
