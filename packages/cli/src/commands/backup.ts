import { rmSync } from 'node:fs';
import { backUp, backUpQueue, type DatabaseContents, type QueueContents, restore, restoreQueue } from '@fnfleet/api';
import { Command, Option } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { counted, say } from '../terminal/output.js';
import { apiOption } from './options.js';

interface DatabaseOptions {
  readonly db: string;
  readonly queue?: string;
}

export function backupCommand(): Command {
  return new Command('backup')
    .description(
      'Saves the SQLite database of an API node to a new file, and its queue of asynchronous calls to another one beside it, also while the node runs. Called on the host of the node, as the user of the node.',
    )
    .argument('<file>', 'file to create')
    .addOption(databaseOption())
    .addOption(queueOption())
    .addOption(apiOption('the API node, which is asked for a copy of the queue while it runs'))
    .action(async (file: string, { db, queue, api }: DatabaseOptions & { readonly api: string }) => {
      // Before the database, which then has the functions of all saved calls.
      const saved = await backUpQueue({ dbUrl: db, mqUrl: queue ?? '' }, file, () =>
        fleetAccess(process.env).fetch(`${api}/v2/queue/backup`),
      );
      try {
        say([`saved ${inWords(backUp(db, file))} to ${file}`]);
      } catch (error) {
        if (saved !== undefined) rmSync(saved.file, { force: true });
        throw error;
      }
      if (saved !== undefined) say([`saved ${callsInWords(saved)} to ${saved.file}`]);
    });
}

export function restoreCommand(): Command {
  return new Command('restore')
    .description(
      'Replaces the SQLite database of an API node by a backup, also while the node runs, and keeps the replaced one next to it. Restores the queue of asynchronous calls if there is none; calls that had not ended are dead letters then. Called on the host of the node, as the user of the node.',
    )
    .argument('<file>', 'file that fnfleet backup has saved')
    .addOption(databaseOption())
    .addOption(queueOption())
    .action(async (file: string, { db, queue }: DatabaseOptions) => {
      const { contents, kept } = await restore(db, file);
      say([`restored ${inWords(contents)}`, ...(kept === undefined ? [] : [`the replaced database is now ${kept}`])]);
      const calls = await restoreQueue({ dbUrl: db, mqUrl: queue ?? '' }, file);
      if (calls === 'kept') say(['the queue of asynchronous calls was not replaced: its calls go on']);
      else if (calls !== 'none') {
        say([
          `restored ${callsInWords(calls)}; calls that had not ended are dead letters: fnfleet dead redrive runs them`,
        ]);
      }
    });
}

function databaseOption(): Option {
  return new Option('--db <url>', 'database of the API node').env('FN_DB_URL').default('sqlite3://data/fn.db');
}

function queueOption(): Option {
  return new Option('--queue <url>', 'queue of the API node; by default beside its database').env('FN_MQ_URL');
}

function inWords({ apps, functions, triggers }: DatabaseContents): string {
  return [counted(apps, 'app'), counted(functions, 'function'), counted(triggers, 'trigger')].join(', ');
}

function callsInWords({ waiting, dead, ended }: QueueContents): string {
  return `${counted(waiting, 'waiting call')}, ${counted(dead, 'dead letter')}, ${counted(ended, 'ended call')}`;
}
