import { VERSION } from '@fnfleet/core';
import { Command } from 'commander';
import { explainFailure } from './explain-failure.js';

/** In the order of the help. Each is loaded when it is called: a health check must not load a whole node. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  node: async () => (await import('./commands/node.js')).nodeCommand(),
  up: async () => (await import('./commands/up.js')).upCommand(),
  deploy: async () => (await import('./commands/deploy.js')).deployCommand(),
  invoke: async () => (await import('./commands/invoke.js')).invokeCommand(),
  status: async () => (await import('./commands/status.js')).statusCommand(),
  top: async () => (await import('./commands/top.js')).topCommand(),
  drain: async () => (await import('./commands/drain.js')).drainCommand(),
  undrain: async () => (await import('./commands/undrain.js')).undrainCommand(),
  explain: async () => (await import('./commands/explain.js')).explainCommand(),
  logs: async () => (await import('./commands/logs.js')).logsCommand(),
  certs: async () => (await import('./commands/certs.js')).certsCommand(),
  health: async () => (await import('./commands/health.js')).healthCommand(),
  simulate: async () => (await import('./commands/simulate.js')).simulateCommand(),
};

/** The `fnfleet` command. Sets the exit code of the process; never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('fnfleet')
    .description('Runs functions packed as container images on a fleet of machines.')
    .version(VERSION)
    .showHelpAfterError('(fnfleet --help says what there is)');
  try {
    for (const load of called(argv[2])) program.addCommand(await load());
    await program.parseAsync([...argv]);
  } catch (error) {
    console.error(explainFailure(error));
    process.exitCode = 1;
  }
}

/** All of them for the help, and to tell what a mistyped name may have meant. */
function called(name: string | undefined): (typeof COMMANDS)[string][] {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return command ? [command] : Object.values(COMMANDS);
}
