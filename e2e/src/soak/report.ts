import { cpus } from 'node:os';
import type { Check } from './checks.js';
import type { SoakOptions } from './plan.js';
import type { SoakReport } from './soak.js';
import { quantile } from './tally.js';

/** The figures of a soak as Markdown. */
export function renderReport(options: SoakOptions, { tally, checks, ...figures }: SoakReport): string {
  const { seconds, containersStarted, evictions } = figures;
  const kinds = tally.byKind.map(({ name, calls, wrong, tookMs }) => [
    name,
    calls,
    wrong,
    quantile(tookMs, 0.5).toFixed(0),
    quantile(tookMs, 0.99).toFixed(0),
  ]);
  return `
${tally.calls} calls of ${options.functions} functions in ${seconds.toFixed(0)} s, seed ${options.seed}: ${containersStarted} containers started, ${evictions} evicted.
${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.versions.node}.

${table(['kind of call', 'calls', 'wrong', 'p50 ms', 'p99 ms'], kinds)}

${table(['at the end', 'found', 'wanted', ''], checks.map(row))}
${tally.examples.length > 0 ? `\nEnded wrongly, for instance:\n${tally.examples.map((line) => `  ${line}`).join('\n')}\n` : ''}`;
}

function row({ what, found, wanted, holds }: Check): string[] {
  return [what, found, wanted, holds ? 'ok' : 'FAILED'];
}

export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
