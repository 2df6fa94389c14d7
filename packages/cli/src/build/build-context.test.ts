import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { MIB } from '@fnfleet/core';
import tar from 'tar-stream';
import { buildContext, type ContextOptions } from './build-context.js';

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
  await pipeline(buildContext(folder, { limits: LIMITS, ...options }).archive, extract);
  return found;
}

async function names(): Promise<string[]> {
  return [...(await packed()).keys()].sort();
}

it('has every file with its content, folders that are empty, and names of any length and language', async () => {
  const long = `${'deep/'.repeat(60)}größe`;
  files({ 'func.js': 'run()', 'lib/empty.js': '', [long]: 'x' });
  mkdirSync(path.join(folder, 'data'));
  const found = await packed();
  expect(found.get('func.js')).toMatchObject({ type: 'file', text: 'run()' });
  expect(found.get('lib/empty.js')?.text).toBe('');
  expect(found.get(long)?.text).toBe('x');
  expect(found.get('data')?.type).toBe('directory');
});

it('has links as links: what they lead to, in the folder or outside, is not read', async () => {
  files({ 'func.js': 'run()' });
  symlinkSync('func.js', path.join(folder, 'index.js'));
  symlinkSync('/etc', path.join(folder, 'etc'));
  symlinkSync('/etc/passwd', path.join(folder, 'passwd'));
  const found = await packed();
  expect([...found.keys()].sort()).toEqual(['etc', 'func.js', 'index.js', 'passwd']);
  expect(found.get('passwd')).toMatchObject({ type: 'symlink', linkname: '/etc/passwd', text: '' });
  expect(found.get('etc')).toMatchObject({ type: 'symlink', linkname: '/etc', text: '' });
});

it('leaves out what .dockerignore names, but for what a later line brings back', async () => {
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

it('has the Dockerfile that was made for it', async () => {
  files({ 'func.js': '' });
  expect((await packed({ dockerfile: 'FROM scratch\n' })).get('Dockerfile')?.text).toBe('FROM scratch\n');
});

it('has files that everybody may read, since functions run as another user than who wrote them', async () => {
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
])('beyond the bound of %s nothing is sent', (_, limits, problem) => {
  files({ a: '', b: '', c: '' });
  truncateSync(path.join(folder, 'c'), 2 * MIB);
  expect(() => buildContext(folder, { limits })).toThrow(problem);
  files({ '.dockerignore': 'c' });
  expect(buildContext(folder, { limits: LIMITS }).bytes).toBe(1);
});

it('fails when a file became a link or grew beyond the bound after it was found', async () => {
  files({ a: 'x', b: 'x' });
  // The first is opened at once.
  const grown = buildContext(folder, { limits: LIMITS }).archive;
  truncateSync(path.join(folder, 'b'), 2 * MIB);
  await expect(buffer(grown)).rejects.toThrow(/b changed while it was read/);
  files({ b: 'x' });
  const swapped = buildContext(folder, { limits: LIMITS }).archive;
  rmSync(path.join(folder, 'b'));
  symlinkSync('/etc/passwd', path.join(folder, 'b'));
  await expect(buffer(swapped)).rejects.toThrow(/cannot read .*\/b: ELOOP/);
});
