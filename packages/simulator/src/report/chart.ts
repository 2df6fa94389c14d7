import { compact } from './text-report.js';

export interface Line {
  readonly name: string;
  /** Index of a colour of the page. */
  readonly color: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly lines: readonly Line[];
  /** Logarithmic scale, for values that span several orders of magnitude. */
  readonly logarithmic: boolean;
  /** Range of the y axis; the same for charts that are compared. */
  readonly yMin: number;
  readonly yMax: number;
  readonly format?: (value: number) => string;
}

const WIDTH = 360;
const HEIGHT = 250;
const LEFT = 52;
const RIGHT = 12;
const TOP = 30;
const BOTTOM = 40;

/** Renders a line chart as SVG. The style sheet of the page sets colours and text sizes. */
export function lineChart({ title, xLabel, lines, logarithmic, yMin, yMax, format = compact }: ChartOptions): string {
  const xs = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const scaleX = linear(xs[0] ?? 0, xs.at(-1) ?? 1, LEFT + 10, WIDTH - RIGHT - 10);
  const across = logarithmic ? Math.log : (value: number) => value;
  const toY = linear(across(yMin), across(yMax), HEIGHT - BOTTOM, TOP);
  const scaleY = (value: number) => toY(across(Math.min(yMax, Math.max(yMin, value))));
  const grid = (logarithmic ? decades(yMin, yMax) : steps(yMin, yMax)).map((value) => {
    const y = scaleY(value).toFixed(1);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text class="tick" x="${LEFT - 6}" y="${y}" dy="4" text-anchor="end">${format(value)}</text>`;
  });
  const ticks = xs.map(
    (x) =>
      `<text class="tick" x="${scaleX(x).toFixed(1)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${x}</text>`,
  );
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">`,
    `<text class="title" x="${LEFT}" y="18">${escapeHtml(title)}</text>`,
    ...grid,
    ...ticks,
    `<text class="tick" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(xLabel)}</text>`,
    ...lines.map((line) => curve(line, scaleX, scaleY)),
    '</svg>',
  ].join('');
}

/** Marks each line with a shape in addition to its colour, so that the chart is readable without colours. */
export function marker(color: number, x: number, y: number): string {
  const at = `class="mark c${color}"`;
  switch (color % 4) {
    case 0:
      return `<circle ${at} cx="${x}" cy="${y}" r="3.4"/>`;
    case 1:
      return `<rect ${at} x="${x - 3}" y="${y - 3}" width="6" height="6"/>`;
    case 2:
      return `<path ${at} d="M${x} ${y - 4}L${x + 4} ${y + 3}L${x - 4} ${y + 3}Z"/>`;
    default:
      return `<path ${at} d="M${x} ${y - 4.4}L${x + 4.4} ${y}L${x} ${y + 4.4}L${x - 4.4} ${y}Z"/>`;
  }
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char);
}

function curve({ name, color, points }: Line, scaleX: Scale, scaleY: Scale): string {
  const at = points.map(([x, y]) => [round(scaleX(x)), round(scaleY(y))] as const);
  const path = at.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join('');
  const marks = at.map(([x, y]) => marker(color, x, y)).join('');
  return `<g><title>${escapeHtml(name)}</title><path class="line c${color}" d="${path}"/>${marks}</g>`;
}

type Scale = (value: number) => number;

function linear(from: number, to: number, min: number, max: number): Scale {
  // A single value is centred.
  if (from === to) return () => (min + max) / 2;
  return (value) => min + ((value - from) / (to - from)) * (max - min);
}

function decades(min: number, max: number): number[] {
  const found: number[] = [];
  for (let power = Math.ceil(Math.log10(min) - 1e-9); 10 ** power <= max * 1.0001; power += 1) found.push(10 ** power);
  return found;
}

function steps(min: number, max: number): number[] {
  return Array.from({ length: 5 }, (_, i) => min + ((max - min) * i) / 4);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
