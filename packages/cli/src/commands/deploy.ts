import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { type BuiltImage, buildFolder, isBuildable } from '../build/build-folder.js';
import { type Deployed, deploy, invokeUrl, triggerUrl } from '../deploy/deploy.js';
import { type FuncFile, readFuncFile } from '../func-file/read-func-file.js';
import { remark, say } from '../terminal/say.js';
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
      'remove what func.yaml does not have: triggers, keys of configuration and annotations, and limits, which get their defaults',
      false,
    )
    .addOption(apiOption())
    .action(deployFolder);
}

async function deployFolder(folder: string, options: DeployCommandOptions): Promise<void> {
  const { app, prune } = options;
  const file = readFuncFile(folder, options);
  const { spec, triggers, notes } = file;
  for (const note of notes) remark(note);
  const { image, pinned } = await imageOf(folder, file, options);
  const api = new ApiClient(options.api, fleetAccess(process.env).fetch);
  const deployed = await deploy(api, app, { spec: { ...spec, image: pinned }, triggers }, { prune });
  say([
    `deployed ${spec.name} (${image}) in app ${app}`,
    `invoke it at ${invokeUrl(deployed.fn)}`,
    ...deployed.triggers.map((trigger) => `trigger ${trigger.name} at ${triggerUrl(trigger)}`),
    ...surplusLine(deployed, prune),
  ]);
}

async function imageOf(folder: string, file: FuncFile, options: DeployCommandOptions): Promise<BuiltImage> {
  const image = options.image ?? file.spec.image;
  const isReady = options.image !== undefined || file.namesImage || !options.build;
  if (isReady || !isBuildable(folder, file)) return { image, pinned: image };
  return buildFolder(folder, file, buildOptionsOf(options));
}

function surplusLine({ surplus }: Deployed, prune: boolean): string[] {
  if (surplus.length === 0) return [];
  const what = surplus.join(', ');
  return [prune ? `removed ${what}` : `kept ${what}: not in func.yaml; --prune removes it`];
}
