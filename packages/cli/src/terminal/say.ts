import { printable, printableLine } from '@fnfleet/core';

/*
 * What commands say. Names, errors and answers come from elsewhere, so nothing reaches a terminal or a file past these:
 * control characters are shown escaped. The exception are the bytes that functions make: `invoke`, and `--raw`.
 */

/** Writes lines to standard output. A line cannot become two, and what is JSON stays the same JSON. */
export function say(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${printableLine(line)}\n`).join(''));
}

/** Writes to standard error: what goes wrong, and how far a command has come. May have several lines. */
export function remark(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}
