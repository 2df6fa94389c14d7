import { stopSignal } from '@fnfleet/node';
import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { attention } from '../operate/attention.js';
import { askBalancers } from '../operate/balancers.js';
import { formatStatus } from '../operate/format-status.js';
import { FunctionNames } from '../operate/function-names.js';
import { showLive } from '../operate/show-live.js';
import { busiestFunctions, formatFunctions } from '../operate/top.js';
import { say } from '../terminal/say.js';
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
