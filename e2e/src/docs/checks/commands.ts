import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../harness/paths.js';
import { shownCommands } from '../console-block.js';
import { mentionProblemOf, problemOf } from '../fnfleet-command.js';
import type { Block, MarkdownPage } from '../markdown-page.js';
import { commandsOf, type ShellCommand } from '../shell-script.js';

/** What the words of a command that comes with a clone are checked by; undefined: it is somebody else's. */
type Check = (args: readonly string[]) => Promise<string | undefined> | string | undefined;

const SCRIPTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(path.join(ROOT, 'package.json'), 'utf8'),
).scripts;
/** `fn` with the words before the names that are given, as far as its requests were recorded and are replayed. */
const RECORDED_FN: readonly string[] = (
  JSON.parse(readFileSync(path.join(ROOT, 'packages/api/fixtures/fn-cli.json'), 'utf8')) as { command: string }[]
).map(({ command }) => command);

/** Every command of the `sh` and `console` blocks of a page that is not as the command line has it. */
export function commandProblems(page: MarkdownPage): Promise<string[]> {
  return problems(
    page,
    page.blocks.flatMap((block) => commandsIn(block)),
    checkOf,
  );
}

/** Commands in blocks of which nobody reads the commands: they belong into a block `sh` or `console`. */
export function uncheckedCommands(page: MarkdownPage): string[] {
  return page.blocks
    .filter(({ language }) => !['sh', 'console'].includes(language))
    .flatMap(({ lines, line }) =>
      lines.flatMap((text, index) =>
        /^\s*(\w+=\S+ )*((\S*bin\/)?fnfleet [a-z]|npm (start|test|run)\b)/.test(text)
          ? [`${page.name}:${line + index}: ${text}`]
          : [],
      ),
    );
}

/** Every mention of a command in the text that is not one. */
export function mentionProblems(page: MarkdownPage): Promise<string[]> {
  const mentions = page.codeSpans
    .filter(({ text }) => /^(bin\/)?fnfleet \S|^npm (run|start)\b/.test(text))
    .flatMap(({ text, line }) => commandsOf(text.replaceAll('|', ' ')).map(({ words }) => ({ words, line })));
  return problems(page, mentions, ([program = '', ...rest]) =>
    isFnfleet(program) ? (args) => mentionProblemOf(args) : checkOf([program, ...rest]),
  );
}

async function problems(
  page: MarkdownPage,
  commands: readonly ShellCommand[],
  find: (words: readonly string[]) => Check | undefined,
): Promise<string[]> {
  const found = commands.map(async ({ words, line }) => {
    const problem = await find(words)?.(words.slice(1));
    return problem === undefined ? [] : [`${page.name}:${line}: ${words.join(' ')}: ${problem}`];
  });
  return (await Promise.all(found)).flat();
}

function commandsIn(block: Block): ShellCommand[] {
  const scripts =
    block.language === 'sh'
      ? [{ script: block.lines.join('\n'), line: block.line }]
      : block.language === 'console'
        ? shownCommands(block).map(({ command, line }) => ({ script: command, line }))
        : [];
  return scripts.flatMap(({ script, line }) =>
    commandsOf(script).map((command) => ({ ...command, line: command.line + line })),
  );
}

function isFnfleet(program: string): boolean {
  return program === 'fnfleet' || program.endsWith('bin/fnfleet');
}

function checkOf([program = '']: readonly string[]): Check | undefined {
  if (isFnfleet(program)) return (args) => (args.includes('…') ? mentionProblemOf(args) : problemOf(args));
  if (program === 'npm') return npmProblem;
  if (program === 'fn') return fnProblem;
  return undefined;
}

function npmProblem([task = '', name = '', ...rest]: readonly string[]):
  | Promise<string | undefined>
  | string
  | undefined {
  if (task === 'start') return problemOf(['up', ...[name, ...rest].filter((word) => word !== '' && word !== '--')]);
  if (task !== 'run' || Object.hasOwn(SCRIPTS, name)) return undefined;
  return `package.json has no script ${name}`;
}

function fnProblem(args: readonly string[]): string | undefined {
  const verb = (words: readonly string[]) => words.slice(0, words[0] === 'invoke' ? 1 : 2).join(' ');
  const known = RECORDED_FN.map((command) => verb(command.split(' ').slice(1)));
  return known.includes(verb(args)) ? undefined : 'its requests were not recorded, so nobody knows whether it works';
}
