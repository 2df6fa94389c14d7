/**
 * The value below which so large a share of the values lies.
 * @param {readonly number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** @param {readonly number[]} values */
export const median = (values) => quantile(values, 0.5);

/**
 * A table in Markdown.
 * @param {readonly string[]} heading
 * @param {readonly (readonly (string | number)[])[]} rows
 */
export function table(heading, rows) {
  /** @param {readonly (string | number)[]} cells */
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${'---|'.repeat(heading.length)}`, ...rows.map(line)].join('\n');
}

/** @param {number} value */
export const ms = (value) => value.toFixed(2);
