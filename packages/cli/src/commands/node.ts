import { commonSettings, readSettings } from '@fnfleet/core';
import { Command } from 'commander';
import { loadRole } from '../roles/load-role.js';
import { runRole } from '../roles/run-role.js';
import { WORKER_VARIABLE } from '../roles/workers/worker-settings.js';
import { withExitCodes } from './exit-codes.js';

export function nodeCommand(): Command {
  const command = new Command('node')
    .description('Starts the role that FN_NODE_TYPE names, with settings from the environment.')
    .addHelpText('after', () => `\n${settingsHelp()}`)
    .action(async () => {
      const { nodeType } = readSettings({ nodeType: commonSettings.nodeType }, process.env);
      const role = await loadRole(nodeType);
      const processes = role.processes?.(process.env) ?? 1;
      if (processes === 1 || process.env[WORKER_VARIABLE] !== undefined) return runRole(role, process.env);
      const { runWorkers } = await import('../roles/workers/run-workers.js');
      await runWorkers(role, processes, process.env);
    });
  return withExitCodes(command, {
    0: 'it has ended as SIGTERM or SIGINT asked it to',
    1: 'it could not start, which standard error explains; or it was asked to end twice',
  });
}

/** Every setting there is. Loaded for the help alone, which cannot wait for an import: it needs the code of every role. */
function settingsHelp(): string {
  const help: typeof import('../settings-help.js') = require('../settings-help.js');
  return help.settingsHelp();
}
