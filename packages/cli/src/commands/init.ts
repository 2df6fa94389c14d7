import { Command, Option } from 'commander';
import { templateNames, writeTemplate } from '../init/write-template.js';
import { say } from '../terminal/say.js';

export function initCommand(): Command {
  return new Command('init')
    .description('Creates a folder with a working function: its code, a func.yaml and a Dockerfile.')
    .argument('<name>', 'name of the function and of the folder')
    .addOption(new Option('--runtime <language>', 'programming language').choices(templateNames()).default('node'))
    .option('--force', 'write into a folder that is not empty; files of the same names are replaced', false)
    .action((name: string, { runtime, force }: { runtime: string; force: boolean }) => {
      const files = writeTemplate(name, { name, runtime, force });
      say([`created ${name}: ${files.join(', ')}`, `deploy it with: fnfleet deploy ${name} --app <app>`]);
    });
}
