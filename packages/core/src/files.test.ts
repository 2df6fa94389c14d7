import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSmallFile, readSmallFileSync } from './files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fnfleet-small-file-'));
  writeFileSync(join(folder, 'file'), 'größer\n');
  symlinkSync('file', join(folder, 'link'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  writeFileSync(join(folder, 'sparse'), '');
  truncateSync(join(folder, 'sparse'), 2 ** 40);
});
afterEach(() => rmSync(folder, { recursive: true }));

const WAYS = { readSmallFile, readSmallFileSync: async (path: string, max?: number) => readSmallFileSync(path, max) };

/** Descriptors of this process that lead to a file. Others come and go. */
function descriptorsOf(path: string): string[] {
  if (path.includes('\0') || !existsSync(path)) return [];
  const file = realpathSync(path);
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false; // closed meanwhile, as that of the listing itself
    }
  });
}

describe.each(Object.entries(WAYS))('%s', (_name, read) => {
  it.each`
    what                               | path                   | says
    ${'a file'}                        | ${'file'}              | ${'größer\n'}
    ${'a link to a file'}              | ${'link'}              | ${'größer\n'}
    ${'a pipe without a writer'}       | ${'pipe'}              | ${/not a file, but a folder, a pipe or a device/}
    ${'a folder'}                      | ${'.'}                 | ${/not a file|EISDIR/}
    ${'an endless device'}             | ${'/dev/zero'}         | ${/not a file/}
    ${'a file of a terabyte'}          | ${'sparse'}            | ${/more than 1048576 bytes/}
    ${'nothing'}                       | ${'absent'}            | ${/ENOENT/}
    ${'an impossible path'}            | ${'a\0b'}              | ${/null bytes/}
    ${'a file that reports no length'} | ${'/proc/self/status'} | ${/^Name:/}
    ${'a long one that reports none'}  | ${'/proc/self/maps'}   | ${/\[stack\]/}
  `('reads $what, or says why it cannot', async ({ path: name, says }) => {
    const path = name.startsWith('/') ? name : join(folder, name);
    const read1 = read(path);
    if (typeof says === 'string') expect(await read1).toBe(says);
    else expect(await read1.catch((error: Error) => error.message)).toMatch(says);
    expect(descriptorsOf(path)).toEqual([]);
  });

  it('reads a file of exactly the limit, but not one byte more', async () => {
    expect(await read(join(folder, 'file'), 9)).toBe('größer\n');
    await expect(read(join(folder, 'file'), 8)).rejects.toThrow('more than 8 bytes');
  });
});
