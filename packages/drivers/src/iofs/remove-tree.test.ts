// takes: 6 s
import { execFile } from 'node:child_process';
import { chmod, lchown, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeTree } from './remove-tree.js';

const run = promisify(execFile);
const never = new AbortController().signal;
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'fnr'));
  directory = join(parent, 'iofs');
  await mkdir(directory);
});

afterEach(() => rm(parent, { recursive: true, force: true }));

/** Runs code in a process of its own whose working directory is the function's. `as` begins the command. */
async function inside(code: string, as: readonly string[] = []): Promise<string> {
  const [command = '', ...args] = [...as, process.execPath, '-e', code];
  return (await run(command, args, { cwd: directory })).stdout;
}

const FUNCTION_USER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

/** As the function, which is another user where the tests run as root. */
async function asFunction(code: string): Promise<void> {
  await chmod(directory, 0o777);
  await inside(code, isRoot ? FUNCTION_USER : []);
}

const nested = (depth: number, name = 'd') => `
  const fs = require('node:fs');
  for (let i = 0; i < ${depth}; i += 1) {
    fs.mkdirSync('${name}');
    fs.writeFileSync('f', '');
    process.chdir('${name}');
  }`;

it.each`
  what                                          | make
  ${'directories 40 deep'}                      | ${() => asFunction(nested(40))}
  ${'directories deeper than the longest path'} | ${() => asFunction(nested(200, 'n'.repeat(40)))}
  ${'30 directories of 30 directories'}         | ${() => asFunction(`const fs = require('node:fs'); for (let i = 0; i < 900; i += 1) fs.mkdirSync(\`\${i % 30}/\${i}\`, { recursive: true })`)}
  ${'sticky directories'}                       | ${() => asFunction(`const fs = require('node:fs'); for (const d of ['s', 's/s']) { fs.mkdirSync(d); fs.chmodSync(d, 0o1777); fs.writeFileSync(d + '/f', ''); }`)}
  ${'directories without any permissions'}      | ${() => asFunction(`const fs = require('node:fs'); fs.mkdirSync('a/b/c', { recursive: true }); fs.writeFileSync('a/b/f', ''); for (const d of ['a/b/c', 'a/b', 'a']) fs.chmodSync(d, 0)`)}
  ${'names that are not UTF-8'}                 | ${() => asFunction(`const fs = require('node:fs'); fs.mkdirSync(Buffer.from([0xff])); fs.writeFileSync(Buffer.from([0xff, 0x2f, 0xfe]), ''); fs.writeFileSync(Buffer.from([0xfd]), '')`)}
  ${'names of the maximum length'}              | ${() => asFunction(nested(30, 'n'.repeat(255)))}
  ${'1 000 files'}                              | ${() => asFunction(`const fs = require('node:fs'); for (let i = 0; i < 1000; i += 1) fs.writeFileSync('f' + i, '')`)}
  ${'a pipe without a writer'}                  | ${() => run('mkfifo', [join(directory, 'lsnr.sock')])}
`('removes $what', async ({ make }) => {
  await make();
  await removeTree(directory, never);
  expect(await readdir(parent)).toEqual([]);
});

it('removes a socket', async () => {
  const server = createServer().listen(join(directory, 'lsnr.sock'));
  await removeTree(directory, never);
  server.close();
  expect(await readdir(parent)).toEqual([]);
});

it('follows no link, on any level', async () => {
  const outside = join(parent, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'precious'), '');
  await mkdir(join(directory, 'a/b/c'), { recursive: true });
  for (const level of ['.', 'a', 'a/b', 'a/b/c']) await symlink(outside, join(directory, level, 'link'));
  await removeTree(directory, never);
  expect(await readdir(parent)).toEqual(['outside']);
  expect(await readdir(outside)).toEqual(['precious']);
});

it('does not follow a link that replaces the directory', async () => {
  const outside = join(parent, 'outside');
  await rename(directory, outside);
  await writeFile(join(outside, 'precious'), '');
  await symlink(outside, directory);
  await expect(removeTree(directory, never)).rejects.toThrow();
  expect(await readdir(outside)).toEqual(['precious']);
});

it('treats a missing directory as removed', async () => {
  await removeTree(join(parent, 'nowhere'), never);
});

it('stops soon after an abort, and continues where it was the next time', async () => {
  await asFunction(`const fs = require('node:fs'); for (let i = 0; i < 1500; i += 1) fs.writeFileSync('f' + i, '')`);
  const giveUp = new AbortController();
  setImmediate(() => giveUp.abort(new Error('that is enough')));
  await expect(removeTree(directory, giveUp.signal)).rejects.toThrow('that is enough');
  expect((await readdir(directory)).length).toBeGreaterThan(0);
  await removeTree(directory, never);
  expect(await readdir(parent)).toEqual([]);
});

it('does not block the process while it removes many files, and holds a bounded number of descriptors', async () => {
  await asFunction(`${nested(100)}; for (let i = 0; i < 1500; i += 1) fs.writeFileSync('g' + i, '')`);
  const before = (await readdir('/proc/self/fd')).length;
  let most = 0;
  let turns = 0;
  let removed = false;
  const removal = removeTree(directory, never).finally(() => {
    removed = true;
  });
  while (!removed) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
    if (turns % 50 === 0) most = Math.max(most, (await readdir('/proc/self/fd')).length);
  }
  await removal;
  expect(turns).toBeGreaterThan(100);
  expect(most - before).toBeLessThan(8);
});

const onlyRoot = isRoot ? it : it.failing;

onlyRoot('does not enter mounts in the directory, and reports them', async () => {
  const mounted = join(directory, 'a', 'mounted');
  await mkdir(mounted, { recursive: true });
  await run('mount', ['-t', 'tmpfs', 'tmpfs', mounted]);
  try {
    await writeFile(join(mounted, 'precious'), '');
    await writeFile(join(directory, 'a', 'file'), '');
    await expect(removeTree(directory, never)).rejects.toThrow('EBUSY');
    expect(await stat(join(mounted, 'precious'))).toBeDefined();
    expect(await readdir(join(directory, 'a'))).toEqual(['mounted']);
  } finally {
    await run('umount', ['-l', mounted]);
  }
});

/** Removes in a process of its own with these capabilities and no others. */
function removeWith(capabilities: string): Promise<string> {
  const code = `
    const { removeTree } = require(${JSON.stringify(join(__dirname, 'remove-tree.js'))});
    removeTree(${JSON.stringify(directory)}, new AbortController().signal)
      .then(() => console.log('removed'), (error) => console.log(error.message));`;
  return inside(code, ['setpriv', `--bounding-set=-all,${capabilities}`, '--inh-caps=-all']);
}

onlyRoot(
  'needs CAP_FOWNER for sticky directories of other users: without it, it removes the rest and reports them',
  async () => {
    await mkdir(join(directory, 'plain', 'deep'), { recursive: true });
    await mkdir(join(directory, 'sticky'));
    await writeFile(join(directory, 'sticky', 'file'), '');
    for (const name of ['sticky/file', 'sticky']) await lchown(join(directory, name), 1000, 1000);
    await chmod(join(directory, 'sticky'), 0o1777);
    expect(await removeWith('+dac_override')).toContain('CAP_FOWNER');
    expect(await readdir(directory)).toEqual(['sticky']);
    expect(await removeWith('+dac_override,+fowner')).toBe('removed\n');
    expect(await readdir(parent)).toEqual([]);
  },
);
