import type { Block } from './markdown-page.js';

/** A command of a `console` block, and what the page shows of its output. */
export interface ShownCommand {
  readonly command: string;
  /** Empty: the page shows none, and what comes is not looked at. */
  readonly output: readonly string[];
  /** The line of the page. */
  readonly line: number;
  readonly how: HowToRun;
}

/** What the comment before a block says of it. */
export interface HowToRun {
  /** `<!-- in a terminal of its own -->`: it goes on until Ctrl-C, and the page goes on when the output is there. */
  readonly ownTerminal: boolean;
  /** `<!-- exit code 1 -->` of its last command; 0 unless it is said. */
  readonly exitCode: number;
  /** `<!-- within 10 s -->`: its last command is run again until the output is what is shown. */
  readonly withinMs: number;
}

const USUAL: HowToRun = { ownTerminal: false, exitCode: 0, withinMs: 0 };

/**
 * Commands begin with `$ ` and go on in lines that begin with `> `, as a shell shows them.
 * @throws Error when the block begins with something else, or its comment says something unknown
 */
export function shownCommands({ lines, line, comment }: Block): ShownCommand[] {
  const found: { command: string; output: string[]; line: number; how: HowToRun }[] = [];
  for (const [index, text] of lines.entries()) {
    const open = found.at(-1);
    if (text.startsWith('$ ')) {
      found.push({ command: text.slice(2), output: [], line: line + index, how: USUAL });
    } else if (open === undefined) {
      throw new Error(`line ${line + index}: expected a command after "$ ", got ${JSON.stringify(text)}`);
    } else if (text.startsWith('> ') && open.output.length === 0) {
      open.command += `\n${text.slice(2)}`;
    } else {
      open.output.push(text);
    }
  }
  const last = found.at(-1);
  if (last) last.how = howToRun(comment, line);
  return found;
}

function howToRun(comment: string | undefined, line: number): HowToRun {
  if (comment === undefined) return USUAL;
  if (comment === 'in a terminal of its own') return { ...USUAL, ownTerminal: true };
  const [, exitCode] = /^exit code (\d+)$/.exec(comment) ?? [];
  if (exitCode !== undefined) return { ...USUAL, exitCode: Number(exitCode) };
  const [, seconds] = /^within (\d+) s$/.exec(comment) ?? [];
  if (seconds !== undefined) return { ...USUAL, withinMs: Number(seconds) * 1000 };
  throw new Error(`line ${line}: nobody knows how to run a block ${JSON.stringify(comment)}`);
}
