import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { deployFolder } from '../deploy/deploy-folder.js';
import { say } from '../terminal/say.js';
import { type BuildFlags, buildOptionsOf, withBuildOptions } from './build-options.js';
import { apiOption } from './options.js';

interface DeployCommandOptions extends BuildFlags {
  readonly app: string;
  readonly image?: string;
  readonly build: boolean;
  readonly prune: boolean;
  readonly api: string;
}

export function deployCommand(): Command {
  const command = new Command('deploy')
    .description(
      'Builds the image of a folder with a func.yaml, pushes it where a registry is named, and creates or updates the function and its triggers.',
    )
    .argument('[folder]', 'folder of the function', '.')
    .requiredOption('--app <name>', 'app it belongs to; created if there is none')
    .option('--image <reference>', 'image to run, instead of one that is built; it must be where runners find it')
    .option('--no-build', 'run the image that func.yaml names, or that its name and version do');
  return withBuildOptions(command)
    .option(
      '--prune',
      'remove what an earlier deploy has set and func.yaml no longer has: triggers, keys of configuration and annotations, and limits, which get their defaults',
      false,
    )
    .addOption(apiOption())
    .action(deployCalled);
}

async function deployCalled(folder: string, options: DeployCommandOptions): Promise<void> {
  const api = new ApiClient(options.api, fleetAccess(process.env).fetch);
  const { registry, app, prune, image, build } = options;
  const done = await deployFolder(api, folder, { registry, app, prune, image, build, ...buildOptionsOf(options) });
  say(done.lines);
}
