import { commonSettings, readSettings } from '@fnfleet/core';
import { Command } from 'commander';
import { ROLES } from '../roles/index.js';
import { runRole } from '../roles/run-role.js';
import { settingsHelp } from '../settings-help.js';

export function nodeCommand(): Command {
  return new Command('node')
    .description('Starts the role that FN_NODE_TYPE names, with settings from the environment.')
    .addHelpText('after', () => `\n${settingsHelp()}`)
    .action(async () => {
      const { nodeType } = readSettings({ nodeType: commonSettings.nodeType }, process.env);
      await runRole(ROLES[nodeType], process.env);
    });
}
