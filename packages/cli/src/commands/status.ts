import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { askBalancers, attention } from '../operate/balancers.js';
import { formatStatus } from '../operate/format-status.js';
import { say } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';
import { jsonOption, LOCAL_BALANCERS, lbOption } from './options.js';

const EXIT_ATTENTION = 2;

export function statusCommand(): Command {
  const command = new Command('status')
    .description(
      'Shows the runners as the load balancers see them, and what is wrong in the fleet, including its API nodes.',
    )
    .addOption(lbOption())
    .addOption(jsonOption())
    .action(async ({ lb, json }: { lb: readonly string[]; json: boolean }) => {
      const balancers = await askBalancers(lb, fleetAccess(process.env).fetch, {
        guessed: lb === LOCAL_BALANCERS,
        fresh: true,
      });
      const found = attention(balancers);
      say(json ? [JSON.stringify({ balancers, attention: found })] : formatStatus(balancers, found));
      if (found.length > 0) process.exitCode = EXIT_ATTENTION;
    });
  return withExitCodes(command, {
    0: 'all is well',
    1: 'no balancer answers, or the command line is invalid',
    [EXIT_ATTENTION]: 'something needs attention; the lines that begin with `!` say what',
  });
}
