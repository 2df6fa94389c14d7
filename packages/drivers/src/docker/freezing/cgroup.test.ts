// needs: root
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { type Freezer, FreezerV1, FreezerV2, freezerPathOf } from './cgroup.js';

/** Says something again and again, as long as it may run. */
const TICKER = 'setInterval(() => console.log("tick"), 5)';

/** A real process in a control group of its own. */
class Ticking {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: Interface,
    readonly directory: string,
  ) {}

  static async in(root: string): Promise<Ticking> {
    const directory = await mkdtemp(join(root, 'fnfleet-test-'));
    const child = spawn(process.execPath, ['-e', TICKER], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('no output');
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    await writeFile(join(directory, 'cgroup.procs'), `${child.pid}`);
    return new Ticking(child, lines, directory);
  }

  /** Ticks within so many milliseconds. */
  async ticks(ms: number): Promise<number> {
    let count = 0;
    const onLine = () => {
      count += 1;
    };
    this.lines.on('line', onLine);
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.lines.off('line', onLine);
    return count;
  }

  tick(): Promise<unknown> {
    return once(this.lines, 'line');
  }

  async end(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
    await rmdir(this.directory);
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
      // What was on its way when it froze.
      await process.ticks(20);
      expect(await process.ticks(100)).toBe(0);
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
