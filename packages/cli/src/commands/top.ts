import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { attention } from '../operate/attention.js';
import { askBalancers } from '../operate/balancers.js';
import { formatStatus } from '../operate/format-status.js';
import { showLive } from '../operate/show-live.js';
import { busiestFunctions, formatFunctions } from '../operate/top.js';
import { stopSignal } from '../stop-signal.js';
import { say } from '../terminal/say.js';
import { withExitCodes } from './exit-codes.js';
import { decimal, jsonOption, LOCAL_BALANCERS, lbOption } from './options.js';

interface TopOptions {
  readonly lb: readonly string[];
  readonly interval: number;
  readonly once: boolean;
  readonly json: boolean;
}

export function topCommand(): Command {
  const command = new Command('top')
    .description('Shows runners and the functions that are busiest on them, again and again until Ctrl-C.')
    .addOption(lbOption())
    .option('--interval <s>', 'seconds between two looks', decimal(0.2, 3600), 2)
    .option('--once', 'look once and end, as without a terminal', false)
    .addOption(jsonOption())
    .action(top);
  return withExitCodes(command, {
    0: 'ended by Ctrl-C, or after one look',
    1: 'no balancer answered at the first look, or the command line is wrong',
  });
}

async function top({ lb, interval, once, json }: TopOptions): Promise<void> {
  const { stdout } = process;
  const access = fleetAccess(process.env);
  const look = async () => {
    const balancers = await askBalancers(lb, access.fetch, { guessed: lb === LOCAL_BALANCERS });
    return { balancers, functions: await busiestFunctions(balancers, access.runner, access.tls !== undefined) };
  };
  if (json) return say([JSON.stringify(await look())]);
  const draw = async (rows: number) => {
    const { balancers, functions } = await look();
    const lines = [...formatStatus(balancers, attention(balancers)), ''];
    return [...lines, ...formatFunctions(functions, Math.max(1, rows - lines.length - 2))];
  };
  if (once || !stdout.isTTY) {
    say(await draw(Number.POSITIVE_INFINITY));
    return;
  }
  // With nobody there at all, there is nothing to wait for.
  await look();
  const stop = new AbortController();
  void stopSignal(() => process.exit(1)).then(() => stop.abort());
  await showLive(stdout, draw, interval * 1000, stop.signal);
}
