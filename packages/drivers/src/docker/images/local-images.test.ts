// needs: docker
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Deferred, readSettings, silentLogger, systemClock } from '@fnfleet/core';
import { DockerDriver } from '../docker-driver.js';
import { dockerSettings } from '../docker-settings.js';
import { Engine } from '../engine.js';
import { engineAddress } from '../engine-address.js';
import { TinyImages } from '../test-kit/tiny-images.js';
import { type CleanerEngine, ImageCleaner } from './image-cleaner.js';

// Each step is a matter of milliseconds, on a machine that does nothing else.
jest.setTimeout(120_000);

const images = new TinyImages();
let repository: string;

beforeEach(() => {
  repository = `fnfleet-test/${randomUUID()}`;
});

afterEach(() => images.removeAll());

describe('an archive of images', () => {
  let folder: string;
  let driver: DockerDriver;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fnl'));
  });

  afterEach(async () => {
    await driver.close();
    await rm(folder, { recursive: true });
  });

  function loading(path: string): Promise<void> {
    driver = new DockerDriver({ settings: readSettings(dockerSettings, { FN_DOCKER_LOAD_FILE: path }) });
    return driver.ready;
  }

  it('is loaded at start', async () => {
    const name = await images.make(repository, '1');
    const path = join(folder, 'images.tar');
    await pipeline(await images.docker.getImage(name).get(), createWriteStream(path));
    await images.docker.getImage(name).remove();
    await loading(path);
    expect(await images.isHere(name)).toBe(true);
  });

  it('that is missing prevents the start of the runner', async () => {
    const path = join(folder, 'none.tar');
    await expect(loading(path)).rejects.toThrow(
      `FN_DOCKER_LOAD_FILE: cannot load images from "${path}": ENOENT: no such file or directory`,
    );
  });

  it('that is invalid prevents the start of the runner', async () => {
    const path = join(folder, 'notes.txt');
    await writeFile(path, 'Nothing but notes. '.repeat(100));
    await expect(loading(path)).rejects.toThrow(`FN_DOCKER_LOAD_FILE: cannot load images from "${path}": `);
  });
});

describe('the images on a real engine', () => {
  it('agent-and-docker 68: are removed, except those that any container needs', async () => {
    const used = await images.make(repository, 'used');
    const unused = await images.make(repository, 'unused');
    const theirs = await images.docker.createContainer({ Image: used, Labels: { 'fnfleet-test': repository } });
    const engine = new Engine({
      address: engineAddress(readSettings(dockerSettings, {})),
      limits: { probe: 60_000, query: 60_000, change: 60_000, removal: 60_000 },
      clock: systemClock,
    });
    const tried = new Map([used, unused].map((name) => [name, new Deferred<string>()]));
    const cleaner = new ImageCleaner({
      engine: onlyOf(repository, engine, tried),
      maxBytes: 1,
      exemptTags: [],
      clock: systemClock,
      logger: silentLogger,
    });
    try {
      cleaner.start();
      expect(await tried.get(unused)?.promise).toBe('removed');
      expect(await tried.get(used)?.promise).toMatch(/conflict: unable to delete .* image is being used by/);
      expect([await images.isHere(unused), await images.isHere(used)]).toEqual([false, true]);
    } finally {
      await cleaner.close();
      await theirs.remove();
    }
  });
});

/** The engine of this machine, limited to the images of one repository; records the outcome of each removal. */
function onlyOf(repository: string, engine: Engine, tried: ReadonlyMap<string, Deferred<string>>): CleanerEngine {
  const names = new Map<string, string>();
  return {
    async listImages(signal) {
      const own = (await engine.listImages(signal)).filter(({ tags }) => tags[0]?.startsWith(`${repository}:`));
      for (const { id, tags } of own) names.set(id, tags[0] ?? '');
      return own;
    },
    async removeImage(id, signal) {
      const outcome = tried.get(names.get(id) ?? '');
      try {
        await engine.removeImage(id, signal);
        outcome?.resolve('removed');
      } catch (error) {
        outcome?.resolve((error as Error).message);
        throw error;
      }
    },
  };
}
