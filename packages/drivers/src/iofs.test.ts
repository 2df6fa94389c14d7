import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { silentLogger } from '@fnfleet/core';
import { Iofs, type IofsOptions } from './iofs.js';

describe('the directory of a socket', () => {
  let parent: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'fnt'));
  });

  afterEach(async () => {
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  });

  const create = (options: Partial<IofsOptions> = {}) =>
    Iofs.create({ parent, writableByAll: false, logger: silentLogger, ...options });
  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

  it('is open to the function only as far as it has to be', async () => {
    const [own, shared] = [await create(), await create({ writableByAll: true })];
    expect([await modeOf(own.directory), await modeOf(shared.directory)]).toEqual([0o700, 0o777]);
    await Promise.all([own.close(), shared.close(), shared.close()]);
  });

  it('has the name that the engine knows it by', async () => {
    const iofs = await create({ engineParent: '/on/the/host' });
    expect(iofs.engineDirectory).toBe(join('/on/the/host', basename(iofs.directory)));
    await iofs.close();
  });

  it('needs both names or none', async () => {
    await expect(create({ parent: undefined, engineParent: '/on/the/host' })).rejects.toThrow(
      'FN_IOFS_DOCKER_PATH needs FN_IOFS_PATH',
    );
  });

  it('is refused, and removed, where its path is too long for a socket', async () => {
    const deep = join(parent, 'x'.repeat(100));
    await mkdir(deep);
    await expect(create({ parent: deep })).rejects.toThrow('of 107 bytes): shorten FN_IOFS_PATH');
    expect(await readdir(deep)).toEqual([]);
    await rm(deep, { recursive: true });
  });

  it('says where it could not be made', async () => {
    await expect(create({ parent: join(parent, 'nowhere') })).rejects.toThrow(/^cannot create tmpdir for iofs: ENOENT/);
  });
});
