import { CancelledError } from '@fnfleet/core';
import { aSpec } from '../testing/describe-driver.js';
import { fn, pullFails } from './scripted-container.js';
import { ScriptedDriver } from './scripted-driver.js';

const never = new AbortController().signal;

describe('a gate', () => {
  const driver = new ScriptedDriver({ functions: { a: fn(() => undefined), b: fn(() => undefined) } });
  const create = (image: string, signal = never) => driver.create(aSpec({ image }), signal);

  afterAll(() => driver.close());

  it('releases any number of containers', async () => {
    driver.gates.create.hold();
    const creations = [create('a'), create('a')];
    await driver.gates.create.reached(2);
    expect([driver.counters.created, driver.gates.create.waiting]).toEqual([0, 2]);
    driver.gates.create.release();
    for (const container of await Promise.all(creations)) await container.close();
    expect(driver.counters).toMatchObject({ created: 2, closed: 2, live: 0, peak: 2 });
  });

  it('holds only the selected containers', async () => {
    driver.gates.create.hold(({ image }) => image === 'b');
    const held = create('b');
    await (await create('a')).close();
    driver.gates.create.release();
    await (await held).close();
    expect(driver.containers).toEqual([]);
  });

  it('lets a caller abort', async () => {
    driver.gates.create.hold();
    const gone = new AbortController();
    const creation = create('a', gone.signal);
    await driver.gates.create.reached();
    gone.abort();
    await expect(creation).rejects.toBeInstanceOf(CancelledError);
    expect(driver.gates.create.waiting).toBe(0);
    driver.gates.create.release();
  });
});

it('a scripted step fails with the scripted error', async () => {
  const denied = new Error('denied');
  const stuck = new Error('cannot freeze');
  const driver = new ScriptedDriver({
    functions: { p: pullFails(denied), f: { ...fn(() => undefined), pauseError: stuck } },
  });
  await expect(driver.prepareImage(aSpec({ image: 'p' }), never)).rejects.toBe(denied);
  const container = await driver.create(aSpec({ image: 'f' }), never);
  await expect(container.pause()).rejects.toBe(stuck);
  await driver.close();
  expect(driver.counters.live).toBe(0);
});
