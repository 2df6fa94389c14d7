import { printableLine } from '@fnfleet/core';

/** Characters of a cell: one that is longer would push everything else off the screen. */
const MAX_CELL = 200;

/**
 * Rows as lines with their columns below each other. What is in a cell cannot begin another line.
 * @param rightAligned columns of numbers, by index
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
