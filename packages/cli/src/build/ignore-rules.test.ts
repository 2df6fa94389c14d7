import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ignoreRules } from './ignore-rules.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fni'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function ignored(lines: string, ...names: string[]): string[] {
  writeFileSync(path.join(folder, '.dockerignore'), lines);
  const rules = ignoreRules(folder);
  return names.filter((name) => rules.ignores(name));
}

it.each`
  lines                       | ignored                           | kept
  ${'a'}                      | ${['a', 'a/b/c']}                 | ${['ab', 'b/a', 'A']}
  ${'/a/'}                    | ${['a', 'a/b']}                   | ${['b/a']}
  ${'./a/../b//c'}            | ${['b/c', 'b/c/d']}               | ${['a', 'b']}
  ${'*.md'}                   | ${['a.md', '.md']}                | ${['a/b.md', 'amd', 'a.mdx']}
  ${'*/*.md'}                 | ${['a/b.md', 'a/b.md/c']}         | ${['b.md', 'a/b/c.md']}
  ${'**/*.md'}                | ${['b.md', 'a/b.md', 'a/b/c.md']} | ${['a/md']}
  ${'a/**/z'}                 | ${['a/z', 'a/b/z', 'a/b/c/z/y']}  | ${['a/bz', 'z', 'a']}
  ${'a/**'}                   | ${['a/b', 'a/b/c']}               | ${['b', 'ab']}
  ${'**'}                     | ${['a', 'a/b']}                   | ${[]}
  ${'a?c'}                    | ${['abc', 'aüc', 'a😀c']}         | ${['a/c', 'ac']}
  ${'[a-c^-]x'}               | ${['ax', 'bx', '^x', '-x']}       | ${['dx', 'x', 'Ax']}
  ${'[^a]x'}                  | ${['bx']}                         | ${['ax', '/x', 'x']}
  ${'a\\*'}                   | ${['a*']}                         | ${['ab', 'a\\b']}
  ${'a.b+(c|d){2}$'}          | ${['a.b+(c|d){2}$']}              | ${['a.bbcd', 'acc']}
  ${'# a\n\n  b  \r\n!\n'}    | ${['b']}                          | ${['a', '# a', '!']}
  ${'*\n!a/b\na/b/c'}         | ${['x', 'a', 'a/c', 'a/b/c']}     | ${['a/b', 'a/b/d']}
  ${'constructor\n__proto__'} | ${['constructor', '__proto__']}   | ${['toString']}
`('$lines leaves out $ignored, not $kept', ({ lines, ignored: out, kept }) => {
  expect(ignored(lines, ...out, ...kept)).toEqual(out);
});

it.each([
  ['stars', `${'*a'.repeat(60)}b`],
  ['folders', `${'**/a'.repeat(60)}b`],
  ['what is a regular expression elsewhere', '(a+)+b'],
])('matching a line of %s that nearly fits costs no more than another', (_, line) => {
  expect(ignored(line, 'a'.repeat(255), `${'a/'.repeat(1000)}c`)).toEqual([]);
});

it('names a line that is not a valid pattern', () => {
  expect(() => ignored('a\nb[', 'a')).toThrow(/\.dockerignore:2: \[ without its \]/);
});
