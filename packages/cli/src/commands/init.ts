import { Command, Option } from 'commander';
import { templateNames, writeTemplate } from '../init/write-template.js';
import { say } from '../terminal/say.js';

export function initCommand(): Command {
  return new Command('init')
    .description('Writes a function that works: its code, func.yaml and a Dockerfile, in a new folder.')
    .argument('<name>', 'name of the function, and of the folder')
    .addOption(new Option('--runtime <language>', 'its language').choices(templateNames()).default('node'))
    .option('--force', 'also into a folder that holds something; files of the same names are replaced', false)
    .action((name: string, { runtime, force }: { runtime: string; force: boolean }) => {
      const files = writeTemplate(name, { name, runtime, force });
      say([`created ${name}: ${files.join(', ')}`, `deploy it with: fnfleet deploy ${name} --app <app>`]);
    });
}
