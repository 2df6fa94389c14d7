// needs: root
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Freezer, FreezerV1, FreezerV2, freezerPathOf } from './cgroup.js';

/** Says something again and again, as long as it may run: to a file, whose size shows at any time what it has said. */
const TICKER = 'setInterval(() => require("node:fs").writeSync(1, "tick"), 5)';

/** A real process in a control group of its own. */
class Ticking {
  private constructor(
    private readonly child: ChildProcess,
    private readonly output: string,
    readonly directory: string,
  ) {}

  static async in(root: string): Promise<Ticking> {
    const directory = await mkdtemp(join(root, 'fnfleet-test-'));
    const output = join(await mkdtemp(join(tmpdir(), 'fnfleet-ticks-')), 'out');
    const file = openSync(output, 'a');
    const child = spawn(process.execPath, ['-e', TICKER], { stdio: ['ignore', file, 'inherit'] });
    closeSync(file);
    const ticking = new Ticking(child, output, directory);
    await ticking.tick();
    await writeFile(join(directory, 'cgroup.procs'), `${child.pid}`);
    return ticking;
  }

  /** What it has said so far. */
  get saidBytes(): number {
    return statSync(this.output).size;
  }

  /** Resolves when it says something more. */
  async tick(): Promise<void> {
    for (const before = this.saidBytes; this.saidBytes === before; ) await sleep(2);
  }

  /** Resolves when the kernel says that it is frozen: version 2 does not wait for that. */
  async untilFrozen(): Promise<void> {
    const [file, expected] = existsSync(join(this.directory, 'freezer.state'))
      ? ['freezer.state', /^FROZEN$/m]
      : ['cgroup.events', /^frozen 1$/m];
    while (!expected.test(readFileSync(join(this.directory, file), 'latin1'))) await sleep(2);
  }

  async end(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
    await rmdir(this.directory);
    await rm(dirname(this.output), { recursive: true });
  }
}

/** This kind of machine has both versions; one has at least one of them. */
const MOUNTS: [string, string, new (directory: string) => Freezer][] = [
  ['version 1', '/sys/fs/cgroup/freezer', FreezerV1],
  ['version 2', '/sys/fs/cgroup/unified', FreezerV2],
  ['version 2', '/sys/fs/cgroup', FreezerV2],
];
const present = MOUNTS.filter(([, root, Kind]) =>
  existsSync(join(root, Kind === FreezerV1 ? 'cgroup.procs' : 'cgroup.controllers')),
);

it('this machine has control groups to test with', () => expect(present).not.toEqual([]));

describe.each(present)('the freezer of %s at %s', (_, root, Kind) => {
  it('stops the processes of the group, and resumes them', async () => {
    const process = await Ticking.in(root);
    try {
      const freezer = new Kind(process.directory);
      await freezer.freeze();
      await process.untilFrozen();
      const said = process.saidBytes;
      await sleep(100);
      expect(process.saidBytes).toBe(said);
      await freezer.thaw();
      await process.tick();
      await freezer.freeze();
      await freezer.freeze();
      await freezer.thaw();
      await freezer.thaw();
      await process.tick();
      await freezer.close();
    } finally {
      await process.end();
    }
  });

  it('has thawed them when it returns, and keeps no file open once it is closed', async () => {
    const process = await Ticking.in(root);
    try {
      const freezer = new Kind(process.directory);
      const filesOfGroup = () =>
        readdirSync('/proc/self/fd').filter((fd) => {
          const file = `/proc/self/fd/${fd}`;
          // The descriptor of the listing itself is gone.
          return existsSync(file) && readlinkSync(file).startsWith(process.directory);
        });
      await freezer.freeze();
      void freezer.thaw();
      const [file, state] = Kind === FreezerV1 ? ['freezer.state', 'THAWED'] : ['cgroup.freeze', '0'];
      expect(readFileSync(join(process.directory, file), 'latin1').trim()).toBe(state);
      expect(filesOfGroup()).toHaveLength(1);
      await freezer.close();
      expect(filesOfGroup()).toEqual([]);
    } finally {
      await process.end();
    }
  });

  it('reports when the group is gone', async () => {
    await expect(new Kind(join(root, 'no-such-group')).freeze()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

it.each`
  machine                | cgroups                                                 | expected
  ${'version 1'}         | ${'3:cpu,cpuacct:/docker/abc\n2:freezer:/docker/abc\n'} | ${{ version: 1, path: '/docker/abc' }}
  ${'both'}              | ${'2:freezer:/docker/abc\n0::/docker/abc\n'}            | ${{ version: 1, path: '/docker/abc' }}
  ${'version 2'}         | ${'0::/system.slice/docker-abc.scope\n'}                | ${{ version: 2, path: '/system.slice/docker-abc.scope' }}
  ${'a named hierarchy'} | ${'9:name=freezer:/elsewhere\n0::/docker/abc\n'}        | ${{ version: 2, path: '/docker/abc' }}
  ${'neither'}           | ${'5:memory:/docker/abc\n'}                             | ${undefined}
`('finds the path of the freezer with $machine', ({ cgroups, expected }) => {
  expect(freezerPathOf(cgroups)).toEqual(expected);
});
