import { withoutNetwork } from './call/call-options.js';
import { echo, HeldFunction, NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

let test: TestAgent;
afterEach(async () => {
  const { live } = await test.leftovers();
  expect(live).toBe(NOTHING_LEFT.live);
  expect(test.agent.load).toMatchObject({ waiting: 0, running: 0 });
});

it('the load counts waiting and running calls, and idle containers per function', async () => {
  const held = new HeldFunction();
  test = new TestAgent({ held, echo }, { memoryMb: 128 });
  const first = await test.invoke({ image: 'held', memoryMb: 128 });
  await held.arrived(1);
  expect(test.agent.load).toMatchObject({ waiting: 0, running: 1 });
  expect(test.agent.idleContainers(first.call.slotKey)).toBe(0);

  const second = await test.invoke({ image: 'echo', memoryMb: 128 });
  expect(test.agent.load).toMatchObject({ waiting: 1, running: 1 });
  expect(test.agent.idleContainers(second.call.slotKey)).toBe(0);

  held.answer(0);
  await first.done;
  await second.done;
  expect(test.agent.load).toMatchObject({ waiting: 0, running: 0 });
  expect(test.agent.idleContainers(second.call.slotKey)).toBe(1);
  expect(test.agent.idleContainers('of no function')).toBe(0);
});

it('a call that fails while it waits is no longer counted as waiting', async () => {
  test = new TestAgent({});
  expect(await test.outcome({ image: 'missing' })).toBe('imagePullFailed');
  expect(test.agent.load).toMatchObject({ waiting: 0, running: 0 });
});

it('agent-and-docker 59: a call without a network has its own container, without a network', async () => {
  test = new TestAgent({ echo });
  await test.answer({ image: 'echo' });
  await test.answer({ image: 'echo', options: [withoutNetwork()] });
  await test.answer({ image: 'echo' });
  expect(test.driver.containers.map(({ spec }) => spec.networkDisabled)).toEqual([false, true]);
});
