import { printable, printableLine } from '@fnfleet/core';

/*
 * The output of commands. Names, errors and answers come from elsewhere, so all of it passes through these functions,
 * which escape control characters. The only exceptions are the bytes that functions produce: `invoke`, and `--raw`.
 */

/** Writes lines to standard output. A line stays one line, and JSON keeps its meaning. */
export function say(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${printableLine(line)}\n`).join(''));
}

/** Writes errors and progress to standard error. The text may have several lines. */
export function remark(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}
