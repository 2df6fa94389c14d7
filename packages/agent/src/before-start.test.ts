import { CancelledError } from '@fnfleet/core';
import { withBeforeStart, withSignal } from './call/call-options.js';
import { HeldFunction, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

let held: HeldFunction;
let test: TestAgent;
beforeEach(() => {
  held = new HeldFunction();
  test = new TestAgent({ held });
});
afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

/** The sender of a call, who is notified that it is about to start. */
function sender() {
  let notify: (start: () => void) => void = () => undefined;
  const notified = new Promise<() => void>((resolve) => {
    notify = resolve;
  });
  return { option: withBeforeStart((start) => notify(start)), notified };
}

it('E4: the function gets the call only after its sender was notified', async () => {
  const { option, notified } = sender();
  const { done } = await test.invoke({ image: 'held', options: [option] });
  const start = await notified;
  await new Promise(setImmediate);
  expect(held.requests).toHaveLength(0);
  start();
  await held.arrived(1);
  held.answer(0);
  await done;
});

it('E5: a container keeps serving when the caller disconnects during the notification', async () => {
  const { option, notified } = sender();
  const caller = new AbortController();
  const left = await test.invoke({ image: 'held', options: [option, withSignal(caller.signal)] });
  const start = await notified;
  caller.abort(new CancelledError());
  expect(await outcomeOf(left.done)).toBe('CancelledError');
  start();

  const next = await test.invoke({ image: 'held' });
  await held.arrived(1);
  held.answer(0);
  await next.done;
  expect(held.requests).toHaveLength(1);
  expect(test.driver.counters.created).toBe(1);
});
