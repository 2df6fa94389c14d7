import { printableLine } from '@fnfleet/core';

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
