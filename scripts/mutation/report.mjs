import { PACKAGES } from './instrument.mjs';

/**
 * @typedef {import('./instrument.mjs').Mutant} Mutant
 * @typedef {import('./test-runs.mjs').Verdict} Verdict
 * @typedef {Verdict & { mutant: Mutant }} Result
 */

/** @param {Pick<Verdict, 'outcome'>} verdict */
export function isNoticed({ outcome }) {
  return outcome === 'killed' || outcome === 'timeout';
}

/**
 * One mutant as one line: its place, the rule, the original and the replacement.
 * @param {Result} result
 */
export function lineOf({ mutant, outcome }) {
  const { place, mutator, original, replacement } = mutant;
  return `${place} ${mutator}${outcome === 'not reached' ? ' (not reached)' : ''}: ${short(original)} → ${short(replacement) || '(nothing)'}`;
}

/** @param {string} text */
function short(text) {
  const flat = text.replaceAll(/\s+/g, ' ').trim();
  return flat.length > 90 ? `${flat.slice(0, 60)} … ${flat.slice(-25)}` : flat;
}

/** Scores by package, then overall. @param {readonly Result[]} results */
export function scores(results) {
  const rows = PACKAGES.map((name) =>
    row(
      name,
      results.filter(({ mutant }) => mutant.package === name),
    ),
  );
  return [...rows.filter(({ mutants }) => mutants > 0), row('all', results)];
}

/** @param {string} name @param {readonly Result[]} results */
function row(name, results) {
  const count = (/** @type {Verdict['outcome']} */ wanted) =>
    results.filter(({ outcome }) => outcome === wanted).length;
  const noticed = results.filter(isNoticed).length;
  return {
    name,
    mutants: results.length,
    killed: count('killed'),
    timeout: count('timeout'),
    survived: count('survived'),
    notReached: count('not reached'),
    score: results.length === 0 ? '–' : `${((100 * noticed) / results.length).toFixed(1)} %`,
  };
}

/** @param {{ command: string, seed: string, total: number, results: readonly Result[] }} run `total`: mutants to choose from */
export function renderReport({ command, seed, total, results }) {
  const table = scores(results).map(
    ({ name, mutants, killed, timeout, survived, notReached, score }) =>
      `| ${name} | ${mutants} | ${killed} | ${timeout} | ${survived} | ${notReached} | ${score} |`,
  );
  const survivors = results
    .filter((result) => !isNoticed(result))
    .sort((a, b) => a.mutant.key.localeCompare(b.mutant.key, 'en', { numeric: true }));
  return `# Mutation testing

\`${command}\`: ${results.length} of ${total} mutants, seed \`${seed}\`, ${new Date().toISOString().slice(0, 10)}.

| Package | Mutants | Killed | Timed out | Survived | Not reached | Score |
|---|---|---|---|---|---|---|
${table.join('\n')}

## What survived

${survivors.map((result) => `- ${lineOf(result)}`).join('\n')}

## What was noticed, and by which test

${results
  .filter(isNoticed)
  .map((result) => `- ${lineOf(result)}\n  - ${result.test ?? 'timed out'}: ${short(result.reason ?? '')}`)
  .join('\n')}
`;
}

/**
 * Reads a report, and tells whether a mutant is among those that survived. Works as long as the lines of the code have not moved.
 * @param {string} report
 * @returns {(mutant: Mutant) => boolean}
 */
export function survivorsIn(report) {
  const [, after = ''] = report.split('## What survived\n');
  const [section = ''] = after.split('\n## ');
  const lines = new Set(section.split('\n').map((line) => line.slice(2)));
  return (mutant) =>
    lines.has(lineOf({ mutant, outcome: 'survived' })) || lines.has(lineOf({ mutant, outcome: 'not reached' }));
}
