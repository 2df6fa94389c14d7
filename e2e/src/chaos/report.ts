import { cpus } from 'node:os';
import { table } from '../soak/report.js';
import type { ChaosReport } from './chaos.js';

const SHOWN_VIOLATIONS = 30;

export function holds(report: ChaosReport): boolean {
  const { verdict, leftovers } = report;
  return verdict.violations.length === 0 && leftovers.length === 0 && isComplete(report);
}

/** A run that ran out of time has shown less than it should. */
function isComplete({ verdict, wanted }: ChaosReport): boolean {
  return verdict.counts.accepted >= wanted;
}

/** The figures of some runs as Markdown, a column for each, and what is wrong with them. */
export function renderReports(reports: readonly ChaosReport[]): string {
  const rows: [string, (report: ChaosReport) => unknown][] = [
    ['seed', ({ seed }) => seed],
    ['seconds', ({ seconds }) => seconds.toFixed(0)],
    ...killRows(reports),
    ['balancer suspended', ({ faults }) => faults.reduce((sum, { suspensions }) => sum + suspensions, 0)],
    ['accepted (202)', ({ verdict }) => verdict.counts.accepted],
    [
      'answered otherwise',
      ({ refusals }) => [...refusals].map(([status, count]) => `${count} × ${status}`).join(', ') || 0,
    ],
    ['not answered', ({ broken }) => broken],
    ['ran, not known to a client as accepted', ({ verdict }) => verdict.counts.untold],
    ['repeated with their key', ({ repeated }) => repeated],
    ['succeeded', ({ verdict }) => verdict.counts.succeeded],
    ['dead letters', ({ verdict }) => verdict.counts.dead],
    ['cancelled', ({ verdict }) => verdict.counts.cancelled],
    ['**lost**', ({ verdict }) => verdict.counts.lost],
    ['ran more than once', ({ verdict }) => verdict.counts.ranAgain],
    ['of these, functions that do not fail', ({ verdict }) => verdict.counts.ranAgainUnasked],
    ['leases that expired', ({ verdict }) => verdict.counts.expiredLeases],
    ['leases that were given back', ({ verdict }) => verdict.counts.givenBack],
    ['**violations**', ({ verdict }) => verdict.violations.length],
    ['left over', ({ leftovers }) => leftovers.length],
  ];
  const heading = ['', ...reports.map(({ store }) => store)];
  const figures = table(
    heading,
    rows.map(([what, of]) => [what, ...reports.map(of)]),
  );
  return `\n${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.versions.node}.\n\n${figures}\n${reports.map(troubles).join('')}`;
}

function killRows(reports: readonly ChaosReport[]): [string, (report: ChaosReport) => unknown][] {
  const names = new Set(reports.flatMap(({ faults }) => faults.map(({ name }) => name)));
  return [...names].map((name) => [
    `${name} killed`,
    ({ faults }) => faults.find((fault) => fault.name === name)?.kills ?? '',
  ]);
}

function troubles(report: ChaosReport): string {
  const { store, verdict, leftovers, logs, wanted } = report;
  const lines = [
    ...(isComplete(report) ? [] : [`out of time: only ${verdict.counts.accepted} of ${wanted} calls were accepted`]),
    ...verdict.violations.slice(0, SHOWN_VIOLATIONS).map(({ callId, what }) => `${callId} ${what}`),
    ...leftovers.map((what) => `left over: ${what}`),
    ...logs,
  ];
  return lines.map((line) => `${store}: ${line}\n`).join('');
}
