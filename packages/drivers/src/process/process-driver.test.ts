// takes: 3 s
import { readdir, readFile } from 'node:fs/promises';
import { type Logger, silentLogger } from '@fnfleet/core';
import { aSpec, describeDriver } from '../testing/describe-driver.js';
import { callFunction, FUNCTIONS_DIR } from '../testing/test-functions.js';
import { ProcessDriver } from './process-driver.js';
import { findManifest } from './process-manifest.js';

const never = new AbortController().signal;

function aDriver(settings: { functionsDir?: string; iofsPath?: string }, logger: Logger = silentLogger) {
  const environment = { PATH: process.env.PATH, HOME: '/nowhere', SECRET: 'of the runner' };
  return new ProcessDriver({
    settings: { functionsDir: undefined, iofsPath: undefined, ...settings },
    environment,
    logger,
  });
}

describeDriver('process', async (iofsPath) => ({
  driver: aDriver({ functionsDir: FUNCTIONS_DIR, iofsPath }),
  image: 'fnfleet/probe:latest',
  exits: { env: { PROBE_INIT_EXIT: '3' } },
  leftovers: (_appId, path) => processesThatKnow(path),
}));

describe('a function as a process', () => {
  it('sees its own environment, PATH and HOME, and nothing else of the runner', async () => {
    const driver = aDriver({ functionsDir: FUNCTIONS_DIR });
    const container = await driver.create(aSpec({ image: 'probe', env: { OWN: 'yes' } }), never);
    await container.start(never);
    await container.listening(never);
    const { env } = JSON.parse((await callFunction(container.socketPath, { env: true })).body) as {
      env: Record<string, string>;
    };
    await driver.close();
    expect(env).toEqual({
      FN_FORMAT: 'http-stream',
      FN_LISTENER: `unix:${container.socketPath}`,
      HOME: '/nowhere',
      OWN: 'yes',
      PATH: process.env.PATH,
    });
  });

  it('ends together with its child processes', async () => {
    const driver = aDriver({ functionsDir: FUNCTIONS_DIR });
    const container = await driver.create(aSpec({ image: 'probe' }), never);
    await container.start(never);
    await container.listening(never);
    await callFunction(container.socketPath, { fork: 2, keepForked: true });
    expect(await processesThatKnow(container.socketPath)).toHaveLength(3);
    await driver.close();
    expect(await processesThatKnow(container.socketPath)).toEqual([]);
  });

  it('warns once that nothing is isolated', async () => {
    const warnings: string[] = [];
    const driver = aDriver(
      { functionsDir: FUNCTIONS_DIR },
      { ...silentLogger, warn: (line) => void warnings.push(line) },
    );
    await driver.ready;
    await driver.close();
    // Without its messages about directories that other runners of this machine left.
    const loud = warnings.filter((line) => !line.includes('iofs director'));
    expect(loud).toEqual([expect.stringContaining('NOTHING isolates them')]);
  });

  it('names the setting to set when it has no functions', async () => {
    await expect(aDriver({}).ready).rejects.toThrow('FN_PROCESS_FUNCTIONS: expected a directory of functions');
  });
});

describe('the manifest of a function', () => {
  it.each(['probe', 'fnfleet/probe', 'registry.example:5000/fnfleet/probe:1.2'])('is found for %s', async (image) => {
    expect(await findManifest(FUNCTIONS_DIR, image)).toMatchObject({ command: 'node', args: ['func.mjs'] });
  });

  it.each`
    image           | code
    ${'a/../probe'} | ${'imageNameInvalid'}
    ${'a/./probe'}  | ${'imageNameInvalid'}
    ${'a//probe'}   | ${'imageNameInvalid'}
    ${'nowhere'}    | ${'imagePullFailed'}
  `('is not found for $image: $code', async ({ image, code }) => {
    await expect(findManifest(FUNCTIONS_DIR, image)).rejects.toMatchObject({ code });
  });
});

/** Processes whose environment mentions a path: those that a driver started with it. */
async function processesThatKnow(path: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const known = await Promise.all(
    pids.map((pid) =>
      readFile(`/proc/${pid}/environ`, 'utf8').then(
        (text) => text.includes(path),
        () => false,
      ),
    ),
  );
  return pids.filter((_pid, index) => known[index]);
}
