import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, FakeClock, silentLogger, systemClock } from '@fnfleet/core';
import { FileSource } from './file-source.js';
import { Reports } from './test-kit/reports.js';

let folder: string;
let path: string;
let reports: Reports;
let source: FileSource;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fnpool'));
  path = join(folder, 'runners');
});
afterEach(async () => {
  await source.close();
  await rm(folder, { recursive: true, force: true });
});

function start(clock: Clock = systemClock): void {
  reports = new Reports();
  source = new FileSource(path, { clock, random: Math.random, logger: silentLogger });
  source.start(reports);
}

/** As it should be done: nobody ever sees half a file. */
async function replace(text: string): Promise<void> {
  await writeFile(join(folder, 'next'), text);
  await rename(join(folder, 'next'), path);
}

it('has one runner per line, in order; comments, blank lines and white space do not count', async () => {
  await writeFile(path, '# the fleet\nb:9190\n\n  a:9190\t# the old one\r\n[::1]:9190');
  start();
  expect(await reports.next()).toEqual(['b:9190', 'a:9190', '[::1]:9190']);
});

it('sees every change when the file is replaced', async () => {
  await writeFile(path, 'a:1\n');
  start();
  await reports.listed('a:1');
  await replace('a:1\nb:1\n');
  await reports.listed('a:1', 'b:1');
  await replace('b:1\n');
  await reports.listed('b:1');
  await writeFile(path, 'b:1\nc:1\n');
  await reports.listed('b:1', 'c:1');
});

it('a missing or removed file is a failure, and recovers when it appears', async () => {
  start();
  expect(await reports.failed()).toMatch(/ENOENT.*runners/);
  await writeFile(path, 'a:1\n');
  await reports.listed('a:1');
  await rm(path);
  expect(await reports.failed()).toMatch(/ENOENT.*runners/);
  await writeFile(path, 'a:1\n');
  await reports.listed('a:1');
});

it('an empty file is about to be written; one with only a comment means that there are no runners', async () => {
  await writeFile(path, ' \n');
  start();
  expect(await reports.failed()).toBe(`${path} is empty; add a comment if there are no runners`);
  await replace('# none today\n');
  await reports.listed();
});

it.each`
  what              | make                                              | message
  ${'a directory'}  | ${() => mkdir(path)}                              | ${/is not a file|EISDIR/}
  ${'far too long'} | ${() => writeFile(path, 'a:1\n'.repeat(300_000))} | ${/has 1200000 bytes; the limit for a list of runners is 1048576/}
`('$what is not a list of runners', async ({ make, message }) => {
  await make();
  start();
  expect(await reports.failed()).toMatch(message);
});

it('follows a Kubernetes mount, where the directory behind a link is replaced', async () => {
  const generation = async (name: string, text: string) => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'runners'), text);
    await symlink(name, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  await generation('..1', 'a:1\n');
  await symlink('..data/runners', path);
  start();
  await reports.listed('a:1');
  await generation('..2', 'b:1\n');
  await reports.listed('b:1');
});

it('follows its directory when that is replaced', async () => {
  path = join(folder, 'etc', 'runners');
  await mkdir(join(folder, 'etc'));
  await writeFile(path, 'a:1\n');
  start();
  await reports.listed('a:1');

  await rename(join(folder, 'etc'), join(folder, 'old'));
  expect(await reports.failed()).toMatch(/ENOENT/);
  await mkdir(join(folder, 'etc'));
  await writeFile(path, 'b:1\n');
  await reports.listed('b:1');
  await writeFile(path, 'c:1\n');
  await reports.listed('c:1');
});

it('reads again every ten seconds, for file systems that do not report changes', async () => {
  const clock = new FakeClock();
  await writeFile(path, 'a:1\n');
  start(clock);
  await reports.listed('a:1');
  await clock.advance(10_000);
  expect(await reports.next()).toEqual(['a:1']);
  await source.close();
  expect(clock.pendingTimers).toBe(0);
});
