import type { Finding } from './finding.js';

/** One line for each finding, and the remedy below it. */
export function formatFindings(findings: readonly Finding[]): string[] {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const margin = ' '.repeat('warn'.length + width + 4);
  return findings.flatMap(({ check, verdict, what, remedy }) => {
    const [first = '', ...more] = what.split('\n');
    const head = `${verdict.padEnd(4)}  ${check.padEnd(width)}  ${first}`;
    const rest = more.map((line) => `${margin}${line.trim()}`);
    return [head, ...rest, ...(remedy === undefined ? [] : [`${margin}→ ${remedy}`])];
  });
}
