import { stopSignal } from '@fnfleet/node';
import type { FunctionLine, RunnerAnswer } from '@fnfleet/operator-api';
import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import type { Fetch } from '../access/secure-fetch.js';
import { ApiClient } from '../api-client.js';
import { ask } from '../operate/ask.js';
import { type AskedBalancer, askBalancers, attention, isHeard } from '../operate/balancers.js';
import { readingUrlOf } from '../operate/find-runner.js';
import { formatStatus } from '../operate/format-status.js';
import { FunctionNames } from '../operate/function-names.js';
import { showLive } from '../operate/show-live.js';
import { say, textTable } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';
import { apiOption, decimal, jsonOption, LOCAL_BALANCERS, lbOption } from './options.js';

/** Time limit for looking up function names, which must not delay the screen. Milliseconds. */
const NAMES_TIMEOUT_MS = 2000;

interface TopOptions {
  readonly api: string;
  readonly lb: readonly string[];
  readonly interval: number;
  readonly once: boolean;
  readonly json: boolean;
}

export function topCommand(): Command {
  const command = new Command('top')
    .description('Shows the runners and their busiest functions, and refreshes until Ctrl-C.')
    .addOption(lbOption())
    .addOption(apiOption('API node to look up function names at'))
    .option('--interval <s>', 'seconds between refreshes', decimal(0.2, 3600), 2)
    .option('--once', 'print once and exit; the default without a terminal', false)
    .addOption(jsonOption())
    .action(top);
  return withExitCodes(command, {
    0: 'stopped by Ctrl-C, or printed once',
    1: 'no balancer answered the first request, or the command line is invalid',
  });
}

async function top({ lb, api, interval, once, json }: TopOptions): Promise<void> {
  const { stdout } = process;
  const access = fleetAccess(process.env);
  const names = new FunctionNames(new ApiClient(api, access.fetch, NAMES_TIMEOUT_MS));
  const look = async () => {
    const balancers = await askBalancers(lb, access.fetch, { guessed: lb === LOCAL_BALANCERS });
    return { balancers, functions: await busiestFunctions(balancers, access.runner, access.tls !== undefined) };
  };
  if (json) {
    const { balancers, functions } = await look();
    const known = await names.of(functions.map(({ fn_id: id }) => id));
    return say([
      JSON.stringify({ balancers, functions: functions.map((fn) => ({ ...fn, name: known.get(fn.fn_id) })) }),
    ]);
  }
  const draw = async (rows: number) => {
    const { balancers, functions } = await look();
    const lines = [...formatStatus(balancers, attention(balancers)), ''];
    const most = Math.max(1, rows - lines.length - 2);
    const known = await names.of(functions.slice(0, most).map(({ fn_id: id }) => id));
    return [...lines, ...formatFunctions(functions, most, known)];
  };
  if (once || !stdout.isTTY) {
    say(await draw(Number.POSITIVE_INFINITY));
    return;
  }
  // If no balancer answers at all, exit at once instead of showing an empty screen.
  await look();
  const stop = new AbortController();
  void stopSignal(() => process.exit(1)).then(() => stop.abort());
  await showLive(stdout, draw, interval * 1000, stop.signal);
}

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
async function busiestFunctions(
  balancers: readonly AskedBalancer[],
  fetch: Fetch,
  secure: boolean,
): Promise<FunctionTotals[]> {
  const found = balancers
    .filter(isHeard)
    .flatMap(({ url, fleet }) => fleet.runners.map((runner) => readingUrlOf(runner, url, secure)));
  const urls = new Set(found.filter((url) => url !== undefined));
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
