import { GIB, MIB, printable, printableLine, SettingsError } from '@fnfleet/core';

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

/** A number of things: `1 app`, `2 apps`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The error message of a failed command, with a hint to the documentation of settings if they are invalid. */
export function explainFailure(error: unknown): string {
  const hint = error instanceof SettingsError ? '\n(fnfleet node --help lists every setting)' : '';
  return `fnfleet: ${failureText(error)}${hint}`;
}

/** The message of an error, with its cause if the message lacks it. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? printable(error.cause.message.trim()) : '';
  // The message may contain the cause in its escaped form.
  return `${error.message}${printable(error.message).includes(cause) ? '' : ` (${cause})`}`;
}

/** Maximum characters of a cell: a longer one would push everything else off the screen. */
const MAX_CELL = 200;

/**
 * Formats rows as lines with aligned columns. The content of a cell cannot start a new line.
 * @param rightAligned indexes of the columns with numbers
 */
export function textTable(
  cells: readonly (readonly string[])[],
  rightAligned: ReadonlySet<number> = new Set(),
): string[] {
  const rows = cells.map((row) => row.map((cell) => printableLine(cell, MAX_CELL)));
  const widths: number[] = [];
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, at) => (rightAligned.has(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** A human-readable size with about three digits. */
export function shownBytes(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.round(bytes / MIB)} MiB`;
}

/** Human-readable difference between two clocks. */
export function shownSkew(ms: number): string {
  return Math.abs(ms) < 10_000 ? `${signed(ms)} ms` : `${signed(Math.round(ms / 1000))} s`;
}

function signed(amount: number): string {
  return amount > 0 ? `+${amount}` : `${amount}`;
}
