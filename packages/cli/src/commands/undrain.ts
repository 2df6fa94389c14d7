import { Command } from 'commander';
import { type Undrained, undrainRunner } from '../operate/undrain-runner.js';
import { say } from '../terminal/say.js';
import { drainDeps } from './drain-deps.js';
import { withExitCodes } from './exit-codes.js';
import { jsonOption, lbOption } from './options.js';

export function undrainCommand(): Command {
  const command = new Command('undrain')
    .description('Brings a drained runner back into the fleet.')
    .argument('<runner>', 'its address or its name, as `fnfleet status` shows them, or the URL of its HTTP port')
    .addOption(lbOption())
    .addOption(jsonOption())
    .action(async (wanted: string, options: { lb: readonly string[]; json: boolean }) => {
      const undrained = await undrainRunner(wanted, drainDeps(options));
      say(options.json ? [JSON.stringify(undrained)] : told(undrained));
    });
  return withExitCodes(command, {
    0: 'it may get calls again',
    1: 'it could not be brought back, or the command line is wrong; standard error says why',
  });
}

function told({ runner, state, uncordoned, note }: Undrained): string[] {
  const parts: string[] = [];
  if (state !== undefined) parts.push(`${runner} is ${state}`);
  if (uncordoned.length > 0) parts.push(`${uncordoned.join(', ')} may offer ${runner} calls again`);
  if (note !== undefined) parts.push(`${runner} itself was not told: ${note}`);
  return parts.length > 0 ? parts : [`${runner} is not cordoned, and does not tell of an HTTP port`];
}
