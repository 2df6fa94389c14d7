import { PACKAGES } from './instrument.mjs';

const NOTICED = new Set(['killed', 'timeout']);

export function isNoticed({ outcome }) {
  return NOTICED.has(outcome);
}

/** One mutant as one line: where, by what rule, what it was and what it is. */
export function lineOf({ mutant, outcome }) {
  const { place, mutator, original, replacement } = mutant;
  return `${place} ${mutator}${outcome === 'not reached' ? ' (not reached)' : ''}: ${short(original)} → ${short(replacement) || '(nothing)'}`;
}

function short(text) {
  const flat = text.replaceAll(/\s+/g, ' ').trim();
  return flat.length > 90 ? `${flat.slice(0, 60)} … ${flat.slice(-25)}` : flat;
}

/** Scores by package, then overall. */
export function scores(results) {
  const rows = PACKAGES.map((name) =>
    row(
      name,
      results.filter(({ mutant }) => mutant.package === name),
    ),
  );
  return [...rows.filter(({ mutants }) => mutants > 0), row('all', results)];
}

function row(name, results) {
  const count = (wanted) => results.filter(({ outcome }) => outcome === wanted).length;
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

export function renderReport({ command, seed, total, results }) {
  const table = scores(results).map(
    ({ name, mutants, killed, timeout, survived, notReached, score }) =>
      `| ${name} | ${mutants} | ${killed} | ${timeout} | ${survived} | ${notReached} | ${score} |`,
  );
  const survivors = results.filter((result) => !isNoticed(result)).sort((a, b) => compare(a.mutant, b.mutant));
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

/** Tells whether a mutant is among those that survived, by a report. Lines must be where they were. */
export function survivorsIn(report) {
  const [, after = ''] = report.split('## What survived\n');
  const [section = ''] = after.split('\n## ');
  const lines = new Set(section.split('\n').map((line) => line.slice(2)));
  return (mutant) => ['survived', 'not reached'].some((outcome) => lines.has(lineOf({ mutant, outcome })));
}

function compare(a, b) {
  return a.key.localeCompare(b.key, 'en', { numeric: true });
}
