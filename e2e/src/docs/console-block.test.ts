// needs: nothing
import { shownCommands } from './console-block.js';

const block = (text: string, comment?: string) =>
  shownCommands({ language: 'console', info: '', lines: text.split('\n'), line: 10, comment });

it('tells commands from output', () => {
  const shown = block('$ ls \\\n> -a\none\n\n$ true');
  expect(shown.map(({ command, output, line }) => ({ command, output, line }))).toEqual([
    { command: 'ls \\\n-a', output: ['one', ''], line: 10 },
    { command: 'true', output: [], line: 14 },
  ]);
});

it.each([
  ['exit code 1', { exitCode: 1 }],
  ['within 10 s', { withinMs: 10_000 }],
  ['in a terminal of its own', { ownTerminal: true }],
])('reads the comment %s', (comment, expected) => {
  expect(block('$ a\n$ b', comment).map(({ how }) => how)).toEqual([
    { ownTerminal: false, exitCode: 0, withinMs: 0 },
    expect.objectContaining(expected),
  ]);
});

it('refuses what it does not know', () => {
  expect(() => block('$ a', 'sometimes')).toThrow('nobody knows how to run a block "sometimes"');
  expect(() => block('ls')).toThrow('line 10: expected a command');
});
