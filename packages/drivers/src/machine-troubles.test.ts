import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB, silentLogger } from '@fnfleet/core';
import { IofsHome } from './iofs/iofs-home.js';
import { mountTmpfs, unmount } from './iofs/tmpfs.js';
import {
  diskRoom,
  diskTrouble,
  ENGINE_NEED,
  findFreezerMount,
  freezerTrouble,
  machineTroubles,
  tryFreezer,
} from './machine-troubles.js';

/** May mount. */
const onlyRoot = process.platform === 'linux' && process.getuid?.() === 0 ? it : it.failing;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'machine-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a disk', () => {
  const GIB = 1024 * MIB;
  const room = { freeBytes: 5 * GIB, totalBytes: 10 * GIB, freeFiles: 1e6 };
  it.each`
    change                      | grave        | what
    ${{}}                       | ${undefined} | ${undefined}
    ${{ freeBytes: 100 * MIB }} | ${true}      | ${'/data is full: 100 MiB left'}
    ${{ freeBytes: GIB }}       | ${false}     | ${'/data is nearly full: 1024 MiB left'}
    ${{ freeFiles: 7 }}         | ${true}      | ${'/data has room for only 7 more files'}
    ${{ freeFiles: Infinity }}  | ${undefined} | ${undefined}
  `('with $change: $what', ({ change, grave, what }) => {
    const found = diskTrouble('/data', { ...room, ...change }, ENGINE_NEED, 'make room');
    expect(found).toEqual(what === undefined ? undefined : { grave, what, remedy: 'make room' });
  });

  it('is measured only if the directory exists', async () => {
    expect(await diskRoom(join(folder, 'nothing'))).toBeUndefined();
    const { freeBytes = 0, totalBytes = 0 } = (await diskRoom(folder)) ?? {};
    const [, size = ''] = execFileSync('df', ['--output=size', '-B1', folder], { encoding: 'utf8' }).trim().split('\n');
    expect(totalBytes).toBe(Number(size));
    expect(freeBytes).toBeLessThan(totalBytes);
  });

  onlyRoot('that is full: the error of a runner that cannot create its directory says what to do', async () => {
    await mountTmpfs(folder, 'size=64k,nr_inodes=2');
    try {
      mkdirSync(join(folder, 'the-last'));
      const home = new IofsHome({ parent: folder, writableByAll: false, logger: silentLogger });
      await expect(home.open()).rejects.toThrow(/ENOSPC.*The disk is full: free space there, or point FN_IOFS_PATH/);
      const found = await machineTroubles({ cgroupRoot: undefined, engineRoot: folder, iofsPath: tmpdir() });
      expect(found).toMatchObject([{ grave: true, what: `${folder} has room for only 0 more files` }]);
      expect(found[0]?.remedy).toContain('docker system prune');
    } finally {
      await unmount(folder);
    }
  });
});

describe('control groups', () => {
  it('that are not mounted are a problem with a remedy', async () => {
    expect(await findFreezerMount(folder)).toBeUndefined();
    for (const look of [freezerTrouble, tryFreezer]) {
      expect(await look(folder)).toEqual({
        grave: false,
        what: `no control groups with a freezer are mounted at ${folder}, so idle containers are paused through the engine`,
        remedy: expect.stringMatching(/FN_CGROUP_PATH.*FN_FREEZE_THROUGH_ENGINE/),
      });
    }
  });

  it('are distinguished by version', async () => {
    writeFileSync(join(folder, 'cgroup.controllers'), '');
    expect(await findFreezerMount(folder)).toEqual({ version: 2, directory: folder });
    mkdirSync(join(folder, 'freezer'));
    writeFileSync(join(folder, 'freezer/cgroup.procs'), '');
    expect(await findFreezerMount(folder)).toEqual({ version: 1, directory: join(folder, 'freezer') });
    expect(await freezerTrouble(folder)).toBeUndefined();
  });

  it('that are only ordinary directories cannot be frozen, and the attempt leaves nothing behind', async () => {
    writeFileSync(join(folder, 'cgroup.controllers'), '');
    expect((await tryFreezer(folder))?.what).toMatch(/cannot freeze a control group in .*: ENOENT/);
    expect(readdirSync(folder)).toEqual(['cgroup.controllers']);
  });

  it('of this machine, if it has a freezer that we may use, can be frozen', async () => {
    const mount = await findFreezerMount('/sys/fs/cgroup');
    if (mount === undefined || (await freezerTrouble('/sys/fs/cgroup')) !== undefined) return;
    expect(await tryFreezer('/sys/fs/cgroup')).toBeUndefined();
    expect(readdirSync(mount.directory).filter((name) => name.startsWith('fnfleet-check'))).toEqual([]);
  });
});
