import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { planFolder, runPlan } from '../apply/apply-folder.js';
import { counted, remark, say } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';
import { apiOption } from './options.js';

const DIFFERS = 2;

interface ApplyOptions {
  readonly dryRun: boolean;
  readonly showValues: boolean;
  readonly api: string;
}

/** `fnfleet apply`: the API node becomes as the folder is. */
export function applyCommand(): Command {
  const command = new Command('apply')
    .description(
      'Makes apps, functions and triggers as a folder describes them, in the format of `fnfleet export`. Checks all of it first, then shows each change as it is made. Apps that the folder does not have are left alone.',
    )
    .argument('<folder>', 'folder of an export')
    .option('--dry-run', 'only show what would change', false)
    .option('--prune', 'remove functions and triggers that the folder does not have, of the apps that it has', false);
  return withChangeOptions(command).action((folder: string, options: ApplyOptions & { readonly prune: boolean }) =>
    applied(folder, options, { prune: options.prune, createOnly: false }),
  );
}

/** `fnfleet import`: creates what the API node lacks. */
export function importCommand(): Command {
  const command = new Command('import')
    .description(
      'Creates the apps, functions and triggers of a folder that do not exist yet, and changes nothing that exists. They get new ids; to keep ids, restore a backup.',
    )
    .argument('<folder>', 'folder of an export')
    .option('--dry-run', 'only show what would be created', false);
  return withChangeOptions(command).action((folder: string, options: ApplyOptions) =>
    applied(folder, options, { prune: false, createOnly: true }),
  );
}

function withChangeOptions(command: Command): Command {
  command
    .option('--show-values', 'show the values of configurations, which may be secrets', false)
    .addOption(apiOption());
  return withExitCodes(command, {
    0: 'the changes were made, or there were none to make',
    1: 'it failed, or the command line is invalid; standard error says why, and what was changed before that',
    [DIFFERS]: '--dry-run has found changes to make',
  });
}

async function applied(
  folder: string,
  { dryRun, showValues, api: url }: ApplyOptions,
  mode: { readonly prune: boolean; readonly createOnly: boolean },
): Promise<void> {
  const api = new ApiClient(url, fleetAccess(process.env).fetch);
  const plan = await planFolder(api, folder, { ...mode, showValues });
  if (dryRun) say(plan.steps.flatMap(({ lines }) => lines));
  else await runPlan(plan, say);
  for (const line of plan.kept) remark(`kept: ${line}`);
  const { length } = plan.steps;
  const changes = counted(length, 'change');
  say([dryRun ? `${changes} to make` : `${changes} made`]);
  if (dryRun && length > 0) process.exitCode = DIFFERS;
}
