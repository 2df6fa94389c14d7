import { VERSION } from '@fnfleet/core';
import { Command } from 'commander';

/** In the order of the help. A command is loaded when it is called: a health check must not load a whole node. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  node: async () => (await import('./node.js')).nodeCommand(),
  up: async () => (await import('./up.js')).upCommand(),
  init: async () => (await import('./init.js')).initCommand(),
  build: async () => (await import('./build.js')).buildCommand(),
  deploy: async () => (await import('./deploy.js')).deployCommand(),
  create: async () => (await import('./manage.js')).manageCommand('create'),
  list: async () => (await import('./manage.js')).manageCommand('list'),
  inspect: async () => (await import('./manage.js')).manageCommand('inspect'),
  update: async () => (await import('./manage.js')).manageCommand('update'),
  delete: async () => (await import('./manage.js')).manageCommand('delete'),
  config: async () => (await import('./manage.js')).manageCommand('config'),
  export: async () => (await import('./export.js')).exportCommand(),
  apply: async () => (await import('./apply.js')).applyCommand(),
  import: async () => (await import('./apply.js')).importCommand(),
  backup: async () => (await import('./backup.js')).backupCommand(),
  restore: async () => (await import('./backup.js')).restoreCommand(),
  dev: async () => (await import('./dev.js')).devCommand(),
  invoke: async () => (await import('./invoke.js')).invokeCommand(),
  calls: async () => (await import('./calls.js')).callsCommand(),
  call: async () => (await import('./calls.js')).callCommand(),
  cancel: async () => (await import('./calls.js')).cancelCommand(),
  dead: async () => (await import('./dead.js')).deadCommand(),
  'callback-keys': async () => (await import('./calls.js')).callbackKeysCommand(),
  status: async () => (await import('./status.js')).statusCommand(),
  top: async () => (await import('./top.js')).topCommand(),
  drain: async () => (await import('./drain.js')).drainCommand(),
  undrain: async () => (await import('./drain.js')).undrainCommand(),
  doctor: async () => (await import('./doctor.js')).doctorCommand(),
  explain: async () => (await import('./explain.js')).explainCommand(),
  logs: async () => (await import('./logs.js')).logsCommand(),
  certs: async () => (await import('./certs.js')).certsCommand(),
  health: async () => (await import('./health.js')).healthCommand(),
  simulate: async () => (await import('./simulate.js')).simulateCommand(),
  completion: async () => (await import('./completion.js')).completionCommand(() => newProgram(COMMANDS)),
};

/** The `fnfleet` program with the given commands. */
export async function newProgram(commands: typeof COMMANDS): Promise<Command> {
  const program = new Command('fnfleet')
    .description('Runs functions packed as container images on a fleet of machines.')
    .version(VERSION)
    .showHelpAfterError('(fnfleet --help lists the commands)');
  for (const load of Object.values(commands)) program.addCommand(await load());
  return program;
}
