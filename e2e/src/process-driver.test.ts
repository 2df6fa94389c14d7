import path from 'node:path';
import { Fleet } from './harness/fleet.js';
import { errorOf, invoke, reportOf } from './harness/invoke.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(120_000);

describe('a fleet without Docker', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.start({
      settings: {
        FN_DRIVER: 'process',
        FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions'),
        DOCKER_HOST: 'unix:///nonexistent',
      },
    });
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
  });

  it('runs functions as processes, hot ones too, and survives the end of one', async () => {
    const url = await fleet.deployed({ name: 'probe', image: 'somewhere.else/probe:1' });

    const first = reportOf(await invoke(url));
    expect(reportOf(await invoke(url)).instance).toBe(first.instance);
    expect(functions()).toHaveLength(1);

    expect(errorOf(await invoke(url, { knobs: { crash: true } }))).toEqual([502, 'error receiving function response']);
    expect(reportOf(await invoke(url)).instance).not.toBe(first.instance);
  });

  it('ends functions that are in the middle of a call past its timeout', async () => {
    const url = await fleet.deployed({ name: 'slow', image: 'probe', timeout: 2 });
    await invoke(url);
    const before = functions().map(({ pid }) => pid);

    expect(errorOf(await invoke(url, { knobs: { sleepMs: 50_000 } }))).toEqual([504, 'Timed out']);

    await invoke(url);
    expect(functions().map(({ pid }) => pid)).not.toEqual(before);
  });

  it('does not know a function without a folder', async () => {
    const url = await fleet.deployed({ name: 'none', image: 'there-is-none' });
    const [status, message] = errorOf(await invoke(url));
    expect(status).toBeGreaterThanOrEqual(400);
    expect(message).toContain('there-is-none');
  });

  /** Processes that run the probe. */
  function functions() {
    return fleet.footprint.processes().filter(({ command }) => command.endsWith('func.mjs'));
  }
});
