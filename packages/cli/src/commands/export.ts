import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { exportFolder } from '../apply/apply-folder.js';
import { counted, say } from '../terminal/output.js';
import { apiOption } from './options.js';

interface ExportOptions {
  readonly app: readonly string[];
  readonly json: boolean;
  readonly api: string;
}

export function exportCommand(): Command {
  return new Command('export')
    .description(
      'Writes apps, functions and triggers into a folder, one file for each app and function, which can be kept in version control. Configuration is written as it is, secrets included. A later export replaces the files of an earlier one.',
    )
    .argument('<folder>', 'folder to write into: a new one, or that of an earlier export')
    .option('--app <name>', 'only this app; may be given several times', appended, [])
    .option('--json', 'write JSON instead of YAML', false)
    .addOption(apiOption())
    .action(exportCalled);
}

async function exportCalled(folder: string, { app, json, api: url }: ExportOptions): Promise<void> {
  const api = new ApiClient(url, fleetAccess(process.env).fetch);
  const { apps, functions, removed } = await exportFolder(api, folder, { apps: app, format: json ? 'json' : 'yaml' });
  say([
    ...removed.map((file) => `removed ${file}`),
    `exported ${counted(apps, 'app')} with ${counted(functions, 'function')} to ${folder}`,
  ]);
}

function appended(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}
