import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FakeClock, type Logger, silentLogger } from '@fnfleet/core';
import { IofsHome, type IofsHomeOptions } from './iofs-home.js';
import { DEFAULT_TMPFS_OPTIONS } from './iofs-settings.js';
import { mountsBelow } from './tmpfs.js';

const run = promisify(execFile);
describe('the directories of sockets', () => {
  let parent: string;
  const homes: IofsHome[] = [];

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'fnt'));
  });

  afterEach(async () => {
    await Promise.all(homes.splice(0).flatMap((home) => [home.close(), home.close()]));
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  });

  function home(options: Partial<IofsHomeOptions> = {}): IofsHome {
    const made = new IofsHome({ parent, writableByAll: false, logger: silentLogger, ...options });
    homes.push(made);
    return made;
  }

  /** Removes directories before it goes on, however slow the disk is. */
  const patient = () => home({ clock: new FakeClock() });

  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

  /** A runner with one container, killed unless it is to live. Resolves with the directory of the container. */
  async function killedRunner(options: object, tmpfs?: string): Promise<string> {
    const mounting = tmpfs && `{ options: ${JSON.stringify(tmpfs)}, required: true, isSeen: async () => true }`;
    const code = `
      const { IofsHome } = require(${JSON.stringify(join(__dirname, 'iofs-home.js'))});
      const quiet = { info() {}, warn() {} };
      const options = { ...${JSON.stringify({ parent, writableByAll: true, ...options })}, tmpfs: ${mounting} };
      new IofsHome({ ...options, logger: quiet })
        .create().then(({ directory }) => { console.log(directory); setInterval(() => {}, 1000); });`;
    const runner = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(runner.stdout, 'data');
    runner.kill('SIGKILL');
    await once(runner, 'exit');
    return String(line).trim();
  }

  it('are accessible to functions only as far as necessary, and to no other user', async () => {
    const [own, shared] = [await home().create(), await home({ writableByAll: true }).create()];
    expect([await modeOf(own.directory), await modeOf(shared.directory)]).toEqual([0o700, 0o777]);
    expect(await modeOf(dirname(shared.directory))).toBe(0o700);
  });

  it('have the paths that the engine knows', async () => {
    const { directory, engineDirectory } = await home({ engineParent: '/on/the/host' }).create();
    expect(engineDirectory).toBe(join('/on/the/host', basename(dirname(directory)), basename(directory)));
  });

  it('need both names or none', async () => {
    await expect(home({ parent: undefined, engineParent: '/on/the/host' }).open()).rejects.toThrow(
      'FN_IOFS_DOCKER_PATH requires FN_IOFS_PATH',
    );
  });

  it('are refused, and removed, where a path would be too long for a socket', async () => {
    const deep = join(parent, 'x'.repeat(Math.max(1, 73 - parent.length - 1)));
    await mkdir(deep);
    await expect(home({ parent: deep }).open()).rejects.toThrow('(108 of 107 bytes): shorten FN_IOFS_PATH');
    expect(await readdir(deep)).toEqual([]);
    await rm(deep, { recursive: true });
  });

  it('report where they cannot be created', async () => {
    await expect(home({ parent: join(parent, 'nowhere') }).open()).rejects.toThrow(
      /^cannot create tmpdir for iofs: ENOENT/,
    );
  });

  it('are not created any more once their home is closed', async () => {
    const closed = home();
    await closed.close();
    await expect(closed.create()).rejects.toThrow('closed');
  });

  it('are removed with all files of a function, but without the targets of its links', async () => {
    const outside = join(parent, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'precious'), '');
    const iofs = await patient().create();
    await mkdir(join(iofs.directory, 'a', 'b'), { recursive: true });
    await writeFile(join(iofs.directory, 'a', 'file'), '');
    await symlink(outside, join(iofs.directory, 'a', 'b', 'link'));
    await iofs.close();
    await expect(stat(iofs.directory)).rejects.toThrow('ENOENT');
    expect(await readdir(outside)).toEqual(['precious']);
    await rm(outside, { recursive: true });
  });

  it('are polled once a function keeps changing files in them', async () => {
    const iofs = await home().create();
    const listening = iofs.listening(new AbortController().signal);
    for (let i = 0; i < 1_500; i += 1) closeSync(openSync(join(iofs.directory, `f${i % 7}`), 'w'));
    // The watch tells of them one by one.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const server = createServer().listen(join(iofs.directory, 'lsnr.sock')).unref();
    await listening;
    server.close();
  });

  it('that are created while their home closes are removed as well', async () => {
    const made = home();
    await made.open();
    const late = made.create();
    const [iofs] = await Promise.all([late.catch(() => undefined), made.close()]);
    // Aborted by the caller after it was created.
    await iofs?.close();
  });

  it('are removed later when they cannot be removed at once, and their home stays recognizable until then', async () => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return;
    const clock = new FakeClock();
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) } as unknown as Logger;
    const made = home({ clock, logger });
    const iofs = await made.create();
    // Immutable: not even root removes it.
    await run('chattr', ['+i', iofs.directory]);
    try {
      await iofs.close();
      expect([made.pendingRemovals, warnings.length]).toEqual([1, 1]);
      await clock.advance(1_000);
      // A turn has a timer, and so has the pause after it.
      while (made.pendingRemovals === 1 && clock.pendingTimers === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      // The second attempt failed too, and is not in the log again.
      expect([made.pendingRemovals, warnings.length]).toEqual([1, 1]);
    } finally {
      await run('chattr', ['-i', iofs.directory]);
    }
    await clock.advance(2_000);
    while (made.pendingRemovals > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(stat(iofs.directory)).rejects.toThrow('ENOENT');
    expect(clock.pendingTimers).toBe(0);
  });

  it('that cannot be removed are left to the next runner, recognizable as abandoned', async () => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return;
    const made = home();
    const iofs = await made.create();
    await writeFile(join(iofs.directory, 'file'), '');
    await run('chattr', ['+i', join(iofs.directory, 'file')]);
    await made.close();
    const left = dirname(iofs.directory);
    try {
      expect((await readdir(left)).sort()).toEqual([basename(iofs.directory), 'owner']);
      // A runner that starts does not wait for what it cannot remove.
      await home().open();
    } finally {
      await run('chattr', ['-i', join(iofs.directory, 'file')]);
    }
    await patient().open();
    await expect(stat(left)).rejects.toThrow('ENOENT');
  });

  describe('that a runner left behind', () => {
    it('are removed when the next one starts; those of live runners stay', async () => {
      const alive = await home().create();
      const left = await killedRunner({});
      await writeFile(join(left, 'lsnr.sock'), '');
      await patient().open();
      await expect(stat(dirname(left))).rejects.toThrow('ENOENT');
      expect(await stat(alive.directory)).toBeDefined();
    });

    it.each`
      story                          | change                           | stays
      ${'of another machine'}        | ${['m2', 'b2', 'pid:[1]', 1, 1]} | ${true}
      ${'from before the last boot'} | ${[undefined, 'b2', 'x', 1, 1]}  | ${false}
      ${'without a valid owner'}     | ${['made by hand']}              | ${true}
    `('$story stay: $stays', async ({ change, stays }) => {
      const left = dirname(await killedRunner({}));
      const owner = (await readFile(join(left, 'owner'), 'utf8')).split('/');
      await writeFile(
        join(left, 'owner'),
        change.map((part: unknown, index: number) => part ?? owner[index]).join('/'),
      );
      await patient().open();
      expect((await readdir(parent)).includes(basename(left))).toBe(stays);
      await rm(left, { recursive: true, force: true });
    });

    it('are left alone if no runner created them', async () => {
      const left = dirname(await killedRunner({}));
      const link = join(parent, `${basename(left).slice(0, -6)}linked`);
      const moved = join(parent, 'moved');
      await rename(left, moved);
      await symlink(moved, link);
      await home().open();
      expect(await readdir(moved)).toContain('owner');
      await Promise.all([rm(moved, { recursive: true }), rm(link)]);
    });
  });

  describe('on a tmpfs of their own', () => {
    const seen = { required: true, isSeen: async () => true };
    const tmpfs = { options: DEFAULT_TMPFS_OPTIONS, ...seen };
    const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

    it('are limited in size, and are removed with all their contents', async () => {
      const mounted = home({ tmpfs, writableByAll: true });
      if (!mayMount) return expect(mounted.open()).rejects.toThrow(/tmpfs/);
      const iofs = await mounted.create();
      expect(await mountsBelow(parent)).toContain(iofs.directory);
      expect(await modeOf(iofs.directory)).toBe(0o777);
      await writeFile(join(iofs.directory, 'small'), Buffer.alloc(1000));
      await expect(writeFile(join(iofs.directory, 'large'), Buffer.alloc(2_000_000))).rejects.toThrow('ENOSPC');
      await iofs.close();
      expect(await mountsBelow(parent)).not.toContain(iofs.directory);
      await mounted.close();
      expect(await mountsBelow(parent)).toEqual([]);
    });

    it.each`
      story                                                   | options        | sees     | bounded
      ${'the runner may mount and the engine sees the mount'} | ${'size=1m'}   | ${true}  | ${true}
      ${'the engine does not see the mount'}                  | ${'size=1m'}   | ${false} | ${false}
      ${'mounting fails'}                                     | ${'size=lots'} | ${true}  | ${false}
    `('when $story: mounted $bounded', async ({ options, sees, bounded }) => {
      if (!mayMount) return;
      const asked: string[][] = [];
      const isSeen = async (directory: string) => {
        asked.push(await readdir(dirname(directory)));
        return sees;
      };
      const optional = home({ tmpfs: { options, required: false, isSeen }, writableByAll: true });
      const iofs = await optional.create();
      expect((await mountsBelow(parent)).includes(iofs.directory)).toBe(bounded);
      // What only the tmpfs has in it.
      expect(asked).toEqual(options === 'size=lots' ? [] : [['trial']]);
    });

    it('fall back to the disk, with a warning, when mounting fails after it has worked', async () => {
      if (!mayMount) return;
      const warnings: string[] = [];
      const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) } as unknown as Logger;
      const options = { options: 'size=1m', required: false, isSeen: async () => true };
      const optional = home({ tmpfs: options, writableByAll: true, logger });
      await optional.open();
      options.options = 'size=lots';
      const iofs = await optional.create();
      expect((await mountsBelow(parent)).includes(iofs.directory)).toBe(false);
      expect(await modeOf(iofs.directory)).toBe(0o777);
      expect(warnings[0]).toBe('cannot mount a tmpfs for a socket directory: its function can fill the disk');
    });

    it('report at start why mount rejects their options', async () => {
      const expected = mayMount ? /^cannot mount\/create tmpfs at \S+: mount: / : /tmpfs/;
      await expect(home({ tmpfs: { ...tmpfs, options: 'size=plenty' } }).open()).rejects.toThrow(expected);
    });

    it('are unmounted and removed when they were abandoned', async () => {
      if (!mayMount) return expect(home({ tmpfs }).open()).rejects.toThrow(/tmpfs/);
      const left = await killedRunner({}, DEFAULT_TMPFS_OPTIONS);
      expect(await mountsBelow(parent)).toContain(left);
      await writeFile(join(left, 'lsnr.sock'), '');
      await patient().open();
      expect(await mountsBelow(parent)).toEqual([]);
      await expect(stat(dirname(left))).rejects.toThrow('ENOENT');
    });
  });
});
