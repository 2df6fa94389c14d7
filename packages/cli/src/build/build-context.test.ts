// takes: 5 s
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { MIB } from '@fnfleet/core';
import tar from 'tar-stream';
import { buildContext, type ContextOptions } from './build-context.js';

/** Descriptors of this process that lead into the folder. Others come and go. */
function open(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // closed meanwhile, as that of the listing itself
    }
  });
  return links.filter((target) => target.startsWith(folder)).length;
}

const aChunk = async (stream: Readable) => void (await once(stream, 'data'));

const LIMITS = { maxBytes: MIB, maxFiles: 100 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnb'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function files(contents: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(contents)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
}

interface Packed {
  readonly type: string | null | undefined;
  readonly mode: number | undefined;
  readonly linkname: string | null | undefined;
  readonly text: string;
}

async function packed(options: Partial<ContextOptions> = {}): Promise<Map<string, Packed>> {
  const found = new Map<string, Packed>();
  const extract = tar.extract();
  extract.on('entry', ({ name, type, mode, linkname }, stream, next) => {
    buffer(stream).then((bytes) => {
      found.set(name, { type, mode, linkname, text: bytes.toString() });
      next();
    }, next);
  });
  await pipeline((await buildContext(folder, { limits: LIMITS, ...options })).archive, extract);
  return found;
}

async function names(): Promise<string[]> {
  return [...(await packed()).keys()].sort();
}

it('contains every file, empty folders, and names of any length and language', async () => {
  const long = `${'deep/'.repeat(60)}größe`;
  files({ 'func.js': 'run()', 'lib/empty.js': '', [long]: 'x' });
  mkdirSync(path.join(folder, 'data'));
  const found = await packed();
  expect(found.get('func.js')).toMatchObject({ type: 'file', text: 'run()' });
  expect(found.get('lib/empty.js')?.text).toBe('');
  expect(found.get(long)?.text).toBe('x');
  expect(found.get('data')?.type).toBe('directory');
});

it('keeps links as links and does not read their targets, inside or outside the folder', async () => {
  files({ 'func.js': 'run()' });
  symlinkSync('func.js', path.join(folder, 'index.js'));
  symlinkSync('/etc', path.join(folder, 'etc'));
  symlinkSync('/etc/passwd', path.join(folder, 'passwd'));
  const found = await packed();
  expect([...found.keys()].sort()).toEqual(['etc', 'func.js', 'index.js', 'passwd']);
  expect(found.get('passwd')).toMatchObject({ type: 'symlink', linkname: '/etc/passwd', text: '' });
  expect(found.get('etc')).toMatchObject({ type: 'symlink', linkname: '/etc', text: '' });
});

it('leaves out what .dockerignore excludes, unless a later line re-includes it', async () => {
  files({
    '.dockerignore': '# notes\nnode_modules\n**/*.log\nDockerfile\n.dockerignore\ndocs\n!docs/kept.md\n',
    Dockerfile: 'FROM scratch',
    'func.js': '',
    'node_modules/a/index.js': '',
    'lib/a.log': '',
    'lib/a.js': '',
    'docs/gone.md': '',
    'docs/kept.md': '',
  });
  expect(await names()).toEqual(['.dockerignore', 'Dockerfile', 'docs/kept.md', 'func.js', 'lib', 'lib/a.js']);
});

it('contains the generated Dockerfile', async () => {
  files({ 'func.js': '' });
  expect((await packed({ dockerfile: 'FROM scratch\n' })).get('Dockerfile')?.text).toBe('FROM scratch\n');
});

it('makes files readable for everybody, because functions run as another user', async () => {
  files({ 'func.js': '', 'lib/a.sh': '' });
  chmodSync(path.join(folder, 'func.js'), 0o600);
  chmodSync(path.join(folder, 'lib/a.sh'), 0o700);
  chmodSync(path.join(folder, 'lib'), 0o700);
  const found = await packed();
  expect(['func.js', 'lib/a.sh', 'lib'].map((name) => found.get(name)?.mode)).toEqual([0o644, 0o744, 0o755]);
});

it.each([
  ['bytes', { maxBytes: MIB, maxFiles: 100 }, /the folder has more than 1 MiB: leave out with a \.dockerignore/],
  ['files', { maxBytes: MIB, maxFiles: 2 }, /the folder has more than 2 files/],
])('sends nothing beyond the limit of %s', async (_, limits, problem) => {
  files({ a: '', b: '', c: '' });
  truncateSync(path.join(folder, 'c'), 2 * MIB);
  await expect(buildContext(folder, { limits })).rejects.toThrow(problem);
  files({ '.dockerignore': 'c' });
  expect((await buildContext(folder, { limits: LIMITS })).bytes).toBe(1);
});

it('fails when a file has become a link or grown beyond the limit after it was found', async () => {
  files({ a: 'x', b: 'x' });
  // The first is opened at once.
  const grown = (await buildContext(folder, { limits: LIMITS })).archive;
  truncateSync(path.join(folder, 'b'), 2 * MIB);
  await expect(buffer(grown)).rejects.toThrow(/b changed while it was read/);
  files({ b: 'x' });
  const swapped = (await buildContext(folder, { limits: LIMITS })).archive;
  rmSync(path.join(folder, 'b'));
  symlinkSync('/etc/passwd', path.join(folder, 'b'));
  await expect(buffer(swapped)).rejects.toThrow(/cannot read .*\/b: ELOOP/);
});

describe('while the archive is sent', () => {
  const large = { maxBytes: 64 * MIB, maxFiles: 100 };
  const write = (bytes: number) => writeFileSync(path.join(folder, 'large'), Buffer.alloc(bytes));
  const begun = async () => {
    write(32 * MIB);
    const { archive } = await buildContext(folder, { limits: large });
    await aChunk(archive);
    archive.pause();
    return archive;
  };

  it('names a file that shrinks', async () => {
    const archive = await begun();
    truncateSync(path.join(folder, 'large'), MIB);
    await expect(buffer(archive)).rejects.toThrow(/large changed while it was read/);
  });

  it('does not send bytes appended to a file, so the archive stays valid', async () => {
    const archive = await begun();
    appendFileSync(path.join(folder, 'large'), Buffer.alloc(16 * MIB));
    const { length } = await buffer(archive);
    expect(length).toBeGreaterThan(31 * MIB);
    expect(length).toBeLessThan(33 * MIB);
  });

  it('sends a removed file with its original content', async () => {
    const archive = await begun();
    rmSync(path.join(folder, 'large'));
    expect((await buffer(archive)).length).toBeGreaterThan(31 * MIB);
  });

  it('leaves no file open after a cancellation, whether or not reading has started', async () => {
    write(32 * MIB);
    for (let times = 0; times < 10; times += 1) {
      (await begun()).destroy();
      (await buildContext(folder, { limits: large })).archive.destroy();
    }
    while (open() > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('a hostile folder', () => {
  it('with a .dockerignore of many stars is rejected by its matching cost, and can be cancelled before', async () => {
    files({ '.dockerignore': `${'*a*a*z\n'.repeat(990)}`, ...manyFiles(300) });
    const limits = { maxBytes: MIB, maxFiles: 1_000, maxSteps: 5_000_000 };
    await expect(buildContext(folder, { limits })).rejects.toThrow('the .dockerignore takes too long');
    const life = new AbortController();
    const given = buildContext(folder, { limits: { ...limits, maxSteps: 1e12 } }, life.signal);
    setImmediate(() => life.abort());
    await expect(given).rejects.toThrow('aborted');
  });

  it.each([
    ['lines', 'a\n'.repeat(1_001), /\.dockerignore has more than 1000 lines/],
    ['bytes', 'a'.repeat(70_000), /cannot read .*\.dockerignore: it has more than 65536 bytes/],
  ])('with a .dockerignore of too many %s is rejected without a search', async (_, text, problem) => {
    files({ '.dockerignore': text });
    await expect(buildContext(folder, { limits: LIMITS })).rejects.toThrow(problem);
  });

  it('with a name that is not UTF-8 is rejected with the name of that file', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), '');
    await expect(buildContext(folder, { limits: LIMITS })).rejects.toThrow(/^cannot read .*: ENOENT/);
  });
});

function manyFiles(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${'a'.repeat(60)}${index}`, '']));
}
