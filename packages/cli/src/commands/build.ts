import { Command } from 'commander';
import { buildFolder } from '../build/build-folder.js';
import { readFuncFile } from '../func-file/read-func-file.js';
import { remark, say } from '../terminal/output.js';
import { type BuildFlags, buildOptionsOf, withBuildOptions } from './build-options.js';

export function buildCommand(): Command {
  const command = new Command('build')
    .description(
      'Builds the image of a function from its folder: from its Dockerfile or, without one, from runtime, build_image, run_image, entrypoint and cmd in func.yaml.',
    )
    .argument('[folder]', 'folder of the function', '.');
  return withBuildOptions(command)
    .addHelpText(
      'after',
      `
The engine is that of DOCKER_HOST, or of this machine. Standard output gets one line: the image by its digest in the registry, or
by its id on the engine.`,
    )
    .action(build);
}

async function build(folder: string, flags: BuildFlags): Promise<void> {
  const file = readFuncFile(folder, flags);
  for (const note of file.notes) remark(note);
  const { image, pinned } = await buildFolder(folder, file, buildOptionsOf(flags));
  remark(`built ${image}`);
  say([pinned]);
}
