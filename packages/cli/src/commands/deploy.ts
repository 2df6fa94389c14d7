import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { deployFunction, invokeUrl } from '../deploy-function.js';
import { readFuncFile } from '../func-file.js';
import { apiOption } from './options.js';

export function deployCommand(): Command {
  return new Command('deploy')
    .description(
      'Creates or updates a function from a folder with a func.yaml. Its image must be where runners find it.',
    )
    .argument('<folder>', 'folder of the function')
    .requiredOption('--app <name>', 'app it belongs to; created if there is none')
    .option('--image <reference>', 'image to run, instead of the one func.yaml names')
    .addOption(apiOption())
    .action(async (folder: string, options: { app: string; image?: string; api: string }) => {
      const spec = readFuncFile(folder);
      const image = options.image ?? spec.image;
      const fn = await deployFunction(new ApiClient(options.api, fleetAccess(process.env).fetch), options.app, {
        ...spec,
        image,
      });
      console.log(`deployed ${spec.name} (${image}) in app ${options.app}\ninvoke it at ${invokeUrl(fn)}`);
    });
}
