import type { GridReport } from '../experiment/grid.js';
import { CELL_COLUMNS, type Column, MOVE_COLUMNS, MOVES_HEADING } from './columns.js';
import { percent } from './numbers.js';

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
