import path from 'node:path';
import { createLogger, type Environment, SettingsError } from '@fnfleet/core';
import { commonSettings, startNode, tellParent, unknownSettings } from '@fnfleet/node';
import { Command } from 'commander';
import { failureText } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';

export function nodeCommand(): Command {
  const command = new Command('node')
    .description('Starts the role that FN_NODE_TYPE names, with settings from the environment.')
    .addHelpText('after', () => `\n${settingsHelp()}`)
    .action(() => playRole(process.env));
  return withExitCodes(command, {
    0: 'the node stopped after SIGTERM or SIGINT',
    1: 'the node could not start (standard error says why), or a second signal stopped it at once',
  });
}

async function playRole(env: Environment): Promise<void> {
  try {
    await startNode(env, path.join(__dirname, '../../bin/fnfleet.js'));
  } catch (thrown) {
    const error = namingUnknown(thrown, env);
    await tellParent({ failed: failureText(error) });
    if (env.FN_LOG_FORMAT?.trim() !== 'json') throw error;
    logFailure(error, env);
  } finally {
    // The IPC channel to the parent process would keep this process alive.
    if (process.connected) process.disconnect();
  }
}

/** A missing setting may be there under a mistyped name. */
function namingUnknown(error: unknown, env: Environment): unknown {
  if (!(error instanceof SettingsError)) return error;
  const unknown = unknownSettings(env).map(({ name, hint }) => `${name} has no effect: ${hint}`);
  return unknown.length === 0 ? error : new SettingsError([...error.problems, ...unknown]);
}

/** A collector that reads the log of a node as JSON finds there why it did not start. */
function logFailure(error: unknown, env: Environment): void {
  const role = env.FN_NODE_TYPE?.trim() || commonSettings.nodeType.fallback();
  const logger = createLogger({ level: 'error', format: 'json', fields: { role } });
  const problems = error instanceof SettingsError ? error.problems : undefined;
  logger.error('cannot start', { error: failureText(error), problems });
  process.exitCode = 1;
}

/**
 * Every setting as text for a terminal; `docs/configuration.md` has the same as tables. The roles are loaded only for
 * the help, which cannot await an import.
 */
function settingsHelp(): string {
  const { SETTINGS_SECTIONS }: typeof import('@fnfleet/node/roles') = require('@fnfleet/node/roles');
  return SETTINGS_SECTIONS.map(({ title, shape }) => {
    const settings = Object.values(shape).map(
      ({ name, expects, defaultText, doc, formerly }) =>
        `  ${name}\n      ${doc}${formerly ? ` Formerly ${formerly}.` : ''}\n      ${expects}; default: ${defaultText}`,
    );
    return [`${title}:`, ...settings, ''].join('\n');
  }).join('\n');
}
