import type { FunctionLine, RunnerAnswer } from '@fnfleet/operator-api';
import type { Fetch } from '../access/secure-fetch.js';
import { ask } from './ask.js';
import { type AskedBalancer, isHeard } from './balancers.js';
import { httpUrlOf } from './runner-url.js';
import { textTable } from './text-table.js';

/** The totals of a function over all runners that report it. */
export interface FunctionTotals extends FunctionLine {
  readonly runners: number;
}

type HotFunctions = Pick<RunnerAnswer, 'functions'>;
const HOT_FUNCTIONS = {
  fields: {
    functions: {
      list: { fields: { fn_id: 'string', hot: 'number', idle: 'number', starting: 'number', waiting: 'number' } },
    },
  },
} as const;

const HEAD = ['FUNCTION', 'HOT', 'IDLE', 'STARTING', 'WAITING', 'RUNNERS'];
const NUMBERS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5]);

/**
 * Collects what runs where from every runner that reports an HTTP port. Runners that do not answer are left out: the
 * status from the balancer covers them.
 * @param secure whether the fleet uses TLS
 */
export async function busiestFunctions(
  balancers: readonly AskedBalancer[],
  fetch: Fetch,
  secure: boolean,
): Promise<FunctionTotals[]> {
  const runners = balancers.filter(isHeard).flatMap(({ fleet }) => fleet.runners);
  const urls = new Set(runners.map((runner) => httpUrlOf(runner, secure)).filter((url) => url !== undefined));
  const answers = await Promise.all(
    [...urls].map((url) => ask<HotFunctions>(fetch, `${url}/runner`, HOT_FUNCTIONS).catch(() => undefined)),
  );
  return totals(answers.flatMap((answer) => answer?.functions ?? []));
}

/** Sorts by calls waiting, then by containers, in descending order. */
export function totals(lines: readonly FunctionLine[]): FunctionTotals[] {
  const byFunction = Map.groupBy(lines, ({ fn_id: id }) => id);
  const summed = [...byFunction].map(([id, same]) => ({
    fn_id: id,
    hot: sum(same, 'hot'),
    idle: sum(same, 'idle'),
    starting: sum(same, 'starting'),
    waiting: sum(same, 'waiting'),
    runners: same.length,
  }));
  return summed.sort((a, b) => b.waiting - a.waiting || b.hot - b.idle - (a.hot - a.idle) || b.hot - a.hot);
}

/**
 * @param most maximum number of functions shown
 * @param names by id; a function without a name is shown by its id
 */
export function formatFunctions(
  functions: readonly FunctionTotals[],
  most: number,
  names: ReadonlyMap<string, string> = new Map(),
): string[] {
  if (functions.length === 0) return ['no runner reports a hot function'];
  const shown = functions.slice(0, Math.max(0, most));
  const rows = shown.map(({ fn_id, hot, idle, starting, waiting, runners }) => [
    names.get(fn_id) ?? fn_id,
    ...[hot, idle, starting, waiting, runners].map(String),
  ]);
  const more = functions.length - shown.length;
  return [...textTable([HEAD, ...rows], NUMBERS), ...(more > 0 ? [`… and ${more} more`] : [])];
}

function sum(lines: readonly FunctionLine[], field: 'hot' | 'idle' | 'starting' | 'waiting'): number {
  return lines.reduce((total, line) => total + line[field], 0);
}
