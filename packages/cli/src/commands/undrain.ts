import { Command } from 'commander';
import { type Undrained, undrainRunner } from '../operate/undrain-runner.js';
import { say } from '../terminal/say.js';
import { drainDeps } from './drain-deps.js';
import { withExitCodes } from './exit-codes.js';
import { jsonOption, lbOption } from './options.js';

export function undrainCommand(): Command {
  const command = new Command('undrain')
    .description('Brings a drained or cordoned runner back into the fleet.')
    .argument('<runner>', 'its address or name, as `fnfleet status` shows them, or the URL of its HTTP port')
    .addOption(lbOption())
    .addOption(jsonOption())
    .action(async (wanted: string, options: { lb: readonly string[]; json: boolean }) => {
      const undrained = await undrainRunner(wanted, drainDeps(options));
      say(options.json ? [JSON.stringify(undrained)] : told(undrained));
    });
  return withExitCodes(command, {
    0: 'the runner may get calls again',
    1: 'the runner could not be brought back, or the command line is invalid; standard error says why',
  });
}

function told({ runner, state, uncordoned, note }: Undrained): string[] {
  const parts: string[] = [];
  if (state !== undefined) parts.push(`${runner} is ${state}`);
  if (uncordoned.length > 0) parts.push(`${uncordoned.join(', ')} may offer ${runner} calls again`);
  if (note !== undefined) parts.push(`could not reach ${runner} itself: ${note}`);
  return parts.length > 0 ? parts : [`${runner} is not cordoned, and does not report an HTTP port`];
}
