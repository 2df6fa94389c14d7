import type { GridCell, GridReport } from '../experiment/grid.js';
import type { RunResult } from '../experiment/run-record.js';
import { escapeHtml, type Line, lineChart, marker } from './chart.js';
import { CELL_COLUMNS, type Column, MOVE_COLUMNS, MOVES_HEADING } from './columns.js';
import { compact, percent } from './numbers.js';
import { STYLE } from './style.js';
import { caption } from './text-report.js';

interface Measure {
  readonly title: string;
  readonly of: (mean: RunResult) => number;
  readonly logarithmic: boolean;
  readonly format: (value: number) => string;
}

const MEASURES: readonly Measure[] = [
  { title: 'Slowdown, p99', of: ({ slowdown }) => slowdown.p99, logarithmic: true, format: compact },
  { title: 'Cold starts', of: ({ coldShare }) => coldShare, logarithmic: false, format: percent },
  { title: 'Offers per call', of: ({ engagementsPerCall }) => engagementsPerCall, logarithmic: true, format: compact },
  { title: 'Busiest runner / mean', of: ({ loadSpread }) => loadSpread, logarithmic: false, format: compact },
];

/** A self-contained page: charts for each fleet size, then all numbers. */
export function htmlReport(report: GridReport): string {
  const placers = [...new Set(report.cells.map(({ placer }) => placer))];
  const sizes = [...new Set(report.cells.map(({ runners }) => runners))];
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>fnfleet simulate: ${escapeHtml(report.workload)}</title><style>${STYLE}</style></head><body>`,
    `<h1>Comparison of placers</h1><p>${escapeHtml(caption(report))}</p>`,
    `<ul class="legend">${placers.map(legendEntry).join('')}</ul>`,
    ...MEASURES.map((measure) => row(measure, report.cells, placers, sizes)),
    `<h2>All numbers</h2>${htmlTable(CELL_COLUMNS, report.cells)}`,
    report.moves.length > 0 ? `<h2>${MOVES_HEADING}</h2>${htmlTable(MOVE_COLUMNS, report.moves)}` : '',
    '</body></html>\n',
  ].join('\n');
}

function legendEntry(name: string, color: number): string {
  return `<li><svg viewBox="0 0 26 12" class="swatch"><path class="line c${color}" d="M1 6L25 6"/>${marker(color, 13, 6)}</svg>${escapeHtml(name)}</li>`;
}

/** One chart for each fleet size, all on the same scale. */
function row(
  measure: Measure,
  cells: readonly GridCell[],
  placers: readonly string[],
  sizes: readonly number[],
): string {
  const values = cells.map(({ mean }) => measure.of(mean));
  const [yMin, yMax] = bounds(values, measure.logarithmic);
  const charts = sizes.map((size) => {
    const lines: Line[] = placers.map((name, color) => ({
      name,
      color,
      points: cells
        .filter(({ runners, placer }) => runners === size && placer === name)
        .map(({ load, mean }) => [load, measure.of(mean)] as const),
    }));
    const { logarithmic, format } = measure;
    return lineChart({ title: `${size} runners`, xLabel: 'load', lines, logarithmic, yMin, yMax, format });
  });
  return `<h2>${escapeHtml(measure.title)}</h2><div class="charts">${charts.join('')}</div>`;
}

function bounds(values: readonly number[], logarithmic: boolean): [number, number] {
  const max = Math.max(...values, 1e-3);
  if (!logarithmic) return [0, nice(max)];
  const least = Math.min(...values.filter((value) => value > 0), max);
  const low = 10 ** Math.floor(Math.log10(least));
  return [low, Math.max(low * 10, 10 ** Math.ceil(Math.log10(max)))];
}

/** The next round number of which a quarter is round, too. */
function nice(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((step) => step * unit).find((round) => round >= value) ?? value;
}

function htmlTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  const head = line(
    columns.map(({ head: text }) => text),
    'th',
  );
  const body = rows.map((row) =>
    line(
      columns.map(({ of }) => of(row)),
      'td',
    ),
  );
  return `<div class="wide"><table><thead>${head}</thead><tbody>${body.join('')}</tbody></table></div>`;
}
