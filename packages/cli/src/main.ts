import { VERSION } from '@fnfleet/core';
import { Command } from 'commander';
import { deployCommand } from './commands/deploy.js';
import { explainCommand } from './commands/explain.js';
import { invokeCommand } from './commands/invoke.js';
import { logsCommand } from './commands/logs.js';
import { nodeCommand } from './commands/node.js';
import { simulateCommand } from './commands/simulate.js';
import { upCommand } from './commands/up.js';
import { explainFailure } from './explain-failure.js';

/** The `fnfleet` command. Sets the exit code of the process; never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('fnfleet')
    .description('Runs functions packed as container images on a fleet of machines.')
    .version(VERSION)
    .showHelpAfterError('(fnfleet --help says what there is)')
    .addCommand(nodeCommand())
    .addCommand(upCommand())
    .addCommand(deployCommand())
    .addCommand(invokeCommand())
    .addCommand(explainCommand())
    .addCommand(logsCommand())
    .addCommand(simulateCommand());
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    console.error(explainFailure(error));
    process.exitCode = 1;
  }
}
