import { backUp, type DatabaseContents, restore } from '@fnfleet/api';
import { Command, Option } from 'commander';
import { counted, say } from '../terminal/output.js';

interface DatabaseOption {
  readonly db: string;
}

export function backupCommand(): Command {
  return new Command('backup')
    .description(
      'Saves the SQLite database of an API node to a new file, also while the node runs. Called on the host of the node, as the user of the node.',
    )
    .argument('<file>', 'file to create')
    .addOption(databaseOption())
    .action((file: string, { db }: DatabaseOption) => say([`saved ${inWords(backUp(db, file))} to ${file}`]));
}

export function restoreCommand(): Command {
  return new Command('restore')
    .description(
      'Replaces the SQLite database of an API node by a backup, also while the node runs, and keeps the replaced one next to it. Called on the host of the node, as the user of the node.',
    )
    .argument('<file>', 'file that fnfleet backup has saved')
    .addOption(databaseOption())
    .action(async (file: string, { db }: DatabaseOption) => {
      const { contents, kept } = await restore(db, file);
      say([`restored ${inWords(contents)}`, ...(kept === undefined ? [] : [`the replaced database is now ${kept}`])]);
    });
}

function databaseOption(): Option {
  return new Option('--db <url>', 'database of the API node').env('FN_DB_URL').default('sqlite3://data/fn.db');
}

function inWords({ apps, functions, triggers }: DatabaseContents): string {
  return [counted(apps, 'app'), counted(functions, 'function'), counted(triggers, 'trigger')].join(', ');
}
