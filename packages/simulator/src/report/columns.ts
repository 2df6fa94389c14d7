import type { GridCell, GridReport } from '../experiment/grid.js';
import { fixed, percent } from './numbers.js';

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
