import { Command, Option } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { type Deployed, deploy, invokeUrl, triggerUrl } from '../deploy/deploy.js';
import { readFuncFile } from '../func-file/read-func-file.js';
import { remark, say } from '../terminal/say.js';
import { apiOption } from './options.js';

interface DeployCommandOptions {
  readonly app: string;
  readonly image?: string;
  readonly registry?: string;
  readonly prune: boolean;
  readonly api: string;
}

export function deployCommand(): Command {
  return new Command('deploy')
    .description(
      'Creates or updates a function and its triggers from a folder with a func.yaml. Its image must be where runners find it.',
    )
    .argument('<folder>', 'folder of the function')
    .requiredOption('--app <name>', 'app it belongs to; created if there is none')
    .option('--image <reference>', 'image to run, instead of the one func.yaml names')
    .addOption(
      new Option(
        '--registry <prefix>',
        'owner, registry or both, put before an image name that is made of name and version of func.yaml',
      ).env('FN_REGISTRY'),
    )
    .option('--prune', 'remove triggers and keys of the configuration that func.yaml does not have', false)
    .addOption(apiOption())
    .action(deployFolder);
}

async function deployFolder(folder: string, options: DeployCommandOptions): Promise<void> {
  const { app, prune } = options;
  const { spec, triggers, notes } = readFuncFile(folder, options);
  for (const note of notes) remark(note);
  const image = options.image ?? spec.image;
  const api = new ApiClient(options.api, fleetAccess(process.env).fetch);
  const deployed = await deploy(api, app, { spec: { ...spec, image }, triggers }, { prune });
  say([
    `deployed ${spec.name} (${image}) in app ${app}`,
    `invoke it at ${invokeUrl(deployed.fn)}`,
    ...deployed.triggers.map((trigger) => `trigger ${trigger.name} at ${triggerUrl(trigger)}`),
    ...surplusLine(deployed, prune),
  ]);
}

function surplusLine({ surplus: { config, triggers } }: Deployed, prune: boolean): string[] {
  const parts = [...config.map((key) => `config ${key}`), ...triggers.map((name) => `trigger ${name}`)];
  if (parts.length === 0) return [];
  const what = parts.join(', ');
  return [prune ? `removed ${what}` : `kept ${what}: not in func.yaml; --prune removes it`];
}
