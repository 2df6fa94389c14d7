/**
 * @typedef {string | number} Cell of a table
 */

/**
 * The value below which this share of the values lies.
 * @param {readonly number[]} values
 * @param {number} share between 0 and 1
 * @returns {number} NaN without values
 */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** @param {readonly number[]} values */
export const median = (values) => quantile(values, 0.5);

/**
 * A table in Markdown.
 * @param {readonly string[]} heading
 * @param {readonly (readonly Cell[])[]} rows
 */
export function table(heading, rows) {
  /** @param {readonly Cell[]} cells */
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${'---|'.repeat(heading.length)}`, ...rows.map(line)].join('\n');
}

/** @param {number} value */
export const ms = (value) => value.toFixed(2);
