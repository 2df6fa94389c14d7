import type { GridCell, GridReport } from '../experiment/grid.js';

/** Tables in Markdown, aligned so that they are readable as plain text. */
export function textReport(report: GridReport): string {
  const parts = [caption(report), table(CELL_COLUMNS, report.cells)];
  if (report.moves.length > 0) parts.push(`${MOVES_HEADING}:`, table(MOVE_COLUMNS, report.moves));
  return `${parts.join('\n\n')}\n`;
}

/** Describes the setup of the runs in one sentence. */
export function caption({ workload, scenario, fleet, seeds, placerTimeoutMs, warmUp }: GridReport): string {
  const { memoryMb, keepAliveMs, rttMs, balancers } = fleet;
  return [
    `Workload ${workload}, scenario ${scenario}, ${balancers} balancer${balancers === 1 ? '' : 's'}`,
    `${memoryMb} MB per runner, idle containers are kept for ${keepAliveMs / 1000} s, round trip ${rttMs} ms`,
    `calls time out after ${placerTimeoutMs / 1000} s, the first ${percent(warmUp)} of them are not counted`,
    `means over seeds ${seeds.join(', ')}.`,
  ].join('; ');
}

function table<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const texts = rows.map((row) => columns.map(({ of }) => of(row)));
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...texts.map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => `${'-'.repeat(width + 1)}:`).join('|')}|`;
  return [line(columns.map(({ head }) => head)), rule, ...texts.map(line)].join('\n');
}

/** A table column of a report, as text. */
export interface Column<T> {
  readonly head: string;
  readonly of: (row: T) => string;
}

export const CELL_COLUMNS: readonly Column<GridCell>[] = [
  { head: 'runners', of: ({ runners }) => String(runners) },
  { head: 'load', of: ({ load }) => String(Math.round(load * 1000) / 1000) },
  { head: 'placer', of: ({ placer }) => placer },
  { head: 'cold', of: ({ mean }) => percent(mean.coldShare) },
  { head: 'slowdown p50', of: ({ mean }) => fixed(mean.slowdown.p50) },
  { head: 'p99', of: ({ mean }) => fixed(mean.slowdown.p99) },
  { head: 'p99.9', of: ({ mean }) => fixed(mean.slowdown.p999) },
  { head: 'added ms p50', of: ({ mean }) => fixed(mean.addedMs.p50) },
  { head: 'p99', of: ({ mean }) => fixed(mean.addedMs.p99) },
  { head: 'p99.9', of: ({ mean }) => fixed(mean.addedMs.p999) },
  { head: 'offers/call', of: ({ mean }) => fixed(mean.engagementsPerCall) },
  { head: 'refused/placed', of: ({ mean }) => fixed(mean.refusalsPerPlaced) },
  { head: 'busiest/mean', of: ({ mean }) => fixed(mean.loadSpread) },
  { head: 'unplaced', of: ({ mean }) => String(mean.unplaced) },
  { head: 'cut', of: ({ mean }) => String(mean.failed) },
];

export const MOVE_COLUMNS: readonly Column<GridReport['moves'][number]>[] = [
  { head: 'runners', of: ({ runners }) => String(runners) },
  { head: 'placer', of: ({ placer }) => placer },
  { head: 'one leaves', of: ({ onLeave }) => percent(onLeave) },
  { head: 'one joins', of: ({ onJoin }) => percent(onJoin) },
  { head: 'least possible', of: ({ runners }) => percent(1 / runners) },
];

export const MOVES_HEADING = 'Functions whose first choice moves when the fleet changes';

/** Formats a number with three significant digits. */
function fixed(value: number): string {
  if (value === 0) return '0';
  if (value >= 1000) return String(Math.round(value));
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** Formats the ticks of an axis, without superfluous digits. */
export function compact(value: number): string {
  return String(Number(value.toPrecision(3)));
}
