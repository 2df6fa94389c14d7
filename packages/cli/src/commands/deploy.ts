import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { deployFunction, deployTriggers, invokeUrl, triggerUrl } from '../deploy-function.js';
import { readFuncFile } from '../func-file.js';
import { say } from '../terminal/say.js';
import { apiOption } from './options.js';

export function deployCommand(): Command {
  return new Command('deploy')
    .description(
      'Creates or updates a function and its triggers from a folder with a func.yaml. Its image must be where runners find it.',
    )
    .argument('<folder>', 'folder of the function')
    .requiredOption('--app <name>', 'app it belongs to; created if there is none')
    .option('--image <reference>', 'image to run, instead of the one func.yaml names')
    .addOption(apiOption())
    .action(async (folder: string, options: { app: string; image?: string; api: string }) => {
      const { triggers, ...spec } = readFuncFile(folder);
      const image = options.image ?? spec.image;
      const api = new ApiClient(options.api, fleetAccess(process.env).fetch);
      const fn = await deployFunction(api, options.app, { ...spec, image });
      const deployed = await deployTriggers(api, fn, triggers);
      say([
        `deployed ${spec.name} (${image}) in app ${options.app}`,
        `invoke it at ${invokeUrl(fn)}`,
        ...deployed.map((trigger) => `trigger ${trigger.name} at ${triggerUrl(trigger)}`),
      ]);
    });
}
