import type { GridCell, GridReport } from '../experiment/grid.js';
import type { RunResult } from '../experiment/run-record.js';
import { escapeHtml, type Line, lineChart, marker } from './chart.js';
import { CELL_COLUMNS, type Column, caption, compact, MOVE_COLUMNS, MOVES_HEADING, percent } from './text-report.js';

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

/** Twelve colours that are distinguishable on white and on black, also with colour blindness. */
const COLORS: readonly (readonly [light: string, dark: string])[] = [
  ['#0072b2', '#5ab4f0'],
  ['#d55e00', '#ff9147'],
  ['#009e73', '#3fd6a8'],
  ['#b0408f', '#ec8fce'],
  ['#8a6d00', '#e6c743'],
  ['#5b3fd6', '#a793ff'],
  ['#666666', '#b5b5b5'],
  ['#a11d1d', '#ff7b7b'],
  ['#3c7d1f', '#8fdc6a'],
  ['#00798c', '#59d2e4'],
  ['#7a4a2b', '#d3a583'],
  ['#222222', '#f2f2f2'],
];

const vars = (which: 0 | 1) => COLORS.map((pair, i) => `--c${i}:${pair[which]}`).join(';');

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f23;--soft:#5f6770;--rule:#d9dde2;--page:#fff;${vars(0)}}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a3abb5;--rule:#3a4048;--page:#15181c;${vars(1)}}}
body{margin:2rem auto;max-width:1180px;padding:0 1rem;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.8rem 0 .4rem}p{margin:.2rem 0 1rem;color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:.6rem 0;margin:0;position:sticky;top:0;background:var(--page);border-bottom:1px solid var(--rule)}
.legend li{display:flex;align-items:center;gap:.4rem}.swatch{width:26px;height:12px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:.6rem}
.charts svg{width:100%;height:auto}
.title{font-size:13px;font-weight:600;fill:var(--ink)}.tick{font-size:11px;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}.line{fill:none;stroke-width:1.8}.mark{stroke:none}
${COLORS.map((_, i) => `.line.c${i}{stroke:var(--c${i})}.mark.c${i}{fill:var(--c${i})}`).join('')}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:600}`;
