import { withExtensions } from '../call/call-options.js';
import { HeldFunction, NOTHING_LEFT, TestAgent } from '../test-kit/test-agent.js';

describe('agent-and-docker 65: a token for the registry', () => {
  let held: HeldFunction;
  let test: TestAgent;

  beforeEach(() => {
    held = new HeldFunction();
    test = new TestAgent({ held });
  });

  afterEach(async () => {
    expect(await test.leftovers()).toEqual(NOTHING_LEFT);
  });

  async function served(extensions: Record<string, string>): Promise<void> {
    const total = held.requests.length + 1;
    const { done } = await test.invoke({ image: 'held', options: [withExtensions(extensions)] });
    await held.arrived(total);
    held.answer(total - 1);
    await done;
  }

  /** What a container gets that is launched now, for a call with these extensions. */
  async function ofNewContainer(extensions: Record<string, string>): Promise<unknown> {
    const total = held.requests.length + 2;
    const busy = await test.invoke({ image: 'held' });
    const launching = await test.invoke({ image: 'held', options: [withExtensions(extensions)] });
    await held.arrived(total);
    held.answer(total - 2);
    held.answer(total - 1);
    await Promise.all([busy.done, launching.done]);
    return test.driver.containers.at(-1)?.spec.extensions;
  }

  it('that arrived last is used for the next container, whichever call it is for', async () => {
    await served({ FN_REGISTRY_TOKEN: 'first' });
    await served({ FN_REGISTRY_TOKEN: 'second' });
    await served({ FN_REGISTRY_TOKEN: '' });
    expect(await ofNewContainer({ other: 'kept' })).toEqual({ other: 'kept', FN_REGISTRY_TOKEN: 'second' });
    expect(test.driver.counters.created).toBe(2);
  });

  it('of the call itself counts as the latest', async () => {
    await served({ FN_REGISTRY_TOKEN: 'first' });
    expect(await ofNewContainer({ FN_REGISTRY_TOKEN: 'second' })).toEqual({ FN_REGISTRY_TOKEN: 'second' });
  });

  it('is not added if no call had one', async () => {
    expect(await ofNewContainer({})).toEqual({});
  });
});
