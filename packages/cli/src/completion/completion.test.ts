import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { COMMANDS, newProgram } from '../commands/all.js';
import { type CommandNode, treeOf, walk } from '../reference/command-tree.js';
import { bashCompletion } from './bash.js';
import { fishCompletion } from './fish.js';
import { zshCompletion } from './zsh.js';

let program: CommandNode;
let folder: string;
beforeAll(async () => {
  program = treeOf(await newProgram(COMMANDS));
  folder = mkdtempSync(path.join(tmpdir(), 'completion-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers after these words, the last of which is being written. */
function offered(...words: string[]): string[] {
  const file = path.join(folder, 'fnfleet.bash');
  writeFileSync(file, bashCompletion(program));
  const script = `source ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fnfleet; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync('bash', ['-c', script, 'bash', 'fnfleet', ...words], { encoding: 'utf8', cwd: folder });
  return output.split('\n').filter((line) => line !== '');
}

it.each<[string[], string[]]>([
  [['dra'], ['drain']],
  [['drain', '--t'], ['--timeout']],
  [['drain', 'box-1', '--f'], ['--force']],
  [['certs', 'is'], ['issue']],
  [['certs', 'rotate-ca', 're'], ['reissue']],
  [['certs', 'issue', '--role', 'p'], ['pure-runner']],
  [['certs', 'issue', 'certs', '--sa'], ['--san']],
  [['completion', 'z'], ['zsh']],
  [['status', '--lb', ''], []],
  [['nothing', '--ver'], ['--version']],
])('bash: fnfleet %j is completed by %j', (words, expected) => {
  expect(offered(...words)).toEqual(expected);
});

it('bash: offers every command, and every option of each', () => {
  for (const { path: names, node } of walk(program)) {
    const words = offered(...names, '');
    for (const { name } of node.commands) expect(words).toContain(name);
    for (const { long } of node.options) expect(words).toContain(long);
  }
});

it.each([
  ['zsh', zshCompletion],
  ['fish', fishCompletion],
])('%s: contains every command and option, and is a valid script', (shell, render) => {
  const script = render(program);
  for (const { node } of walk(program)) {
    expect(script).toContain(node.name);
    for (const { long } of node.options)
      expect(script).toContain(shell === 'fish' ? `-l ${long.slice(2)} ` : `'${long}:`);
  }
  // Not on every machine that runs tests.
  if (!existsSync(`/usr/bin/${shell}`)) return;
  const file = path.join(folder, `fnfleet.${shell}`);
  writeFileSync(file, script);
  execFileSync(shell, ['-n', file]);
});
