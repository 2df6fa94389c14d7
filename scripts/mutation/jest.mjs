import { spawn } from 'node:child_process';
import path from 'node:path';
import { ROOT } from '../lib/shell.mjs';
import { runtime, toolEnv } from '../lib/toolchain.mjs';
import { SANDBOX } from './sandbox.mjs';

const JEST = [
  path.join(ROOT, 'node_modules/jest/bin/jest.js'),
  '--config',
  path.join(ROOT, 'scripts/mutation/jest.config.cjs'),
];

/**
 * Runs jest in the sandbox, in a process group of its own that is killed as a whole: nothing that a test started outlives it.
 *
 * @param {readonly string[]} args
 * @param {Record<string, string>} env for `environment.cjs`, `reporter.cjs` and `sequencer.cjs`
 * @param {number} [limitMs] by default, the run may take as long as it needs
 * @returns {Promise<{ timedOut: boolean, code: number | null }>}
 */
export function jest(args, env, limitMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(runtime(), [...JEST, ...args], {
      cwd: SANDBOX,
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore'],
      env: toolEnv({ NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning', ...env }),
    });
    let timedOut = false;
    const end = () => killGroup(child.pid);
    const giveUp = () => {
      timedOut = true;
      end();
    };
    const timer = limitMs === undefined ? undefined : setTimeout(giveUp, limitMs);
    process.once('exit', end);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      process.off('exit', end);
      end();
      resolve({ timedOut, code });
    });
  });
}

/** @param {number | undefined} pid undefined: it could not be started */
function killGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    if (!gone) throw error;
  }
}
