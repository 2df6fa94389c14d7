import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { deployFolder } from '../deploy/deploy-folder.js';
import { say } from '../terminal/output.js';
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
      'Builds the image of a folder with a func.yaml, pushes it if a registry is given, and creates or updates the function and its triggers.',
    )
    .argument('[folder]', 'folder of the function', '.')
    .requiredOption('--app <name>', 'app it belongs to; created if it does not exist')
    .option('--image <reference>', 'image to run instead of building one; runners must be able to pull it')
    .option('--no-build', 'run the image named in func.yaml, or <name>:<version>, without building it');
  return withBuildOptions(command)
    .option(
      '--prune',
      'remove what an earlier deploy has set and func.yaml no longer has: triggers, configuration keys and annotations; limits return to their defaults',
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
