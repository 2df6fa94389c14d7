import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * Runs a program on our own terminal and resolves with its exit code. SIGINT and SIGTERM are forwarded: the program ends in its
 * own time, and this process after it.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<number>}
 */
export function run(command, args, { env = process.env, cwd = ROOT } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: 'inherit' });
    // A terminal signals the whole group by itself; a supervisor signals only us.
    const onSigint = () => process.stdin.isTTY || child.kill('SIGINT');
    const onSigterm = () => child.kill('SIGTERM');
    process.on('SIGINT', onSigint);
    process.on('SIGTERM', onSigterm);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', onSigint);
      process.off('SIGTERM', onSigterm);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}

/**
 * Runs a program silently, shows its output only if it fails, and reports every few seconds that it is still running.
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 */
export async function step(title, command, args, options = {}) {
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  process.stderr.write(`• ${title} …\n`);
  const ticker = setInterval(() => process.stderr.write(`  still ${title} (${seconds()})\n`), 10_000);
  /** @type {Buffer[]} */
  const output = [];
  const code = await new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => clearInterval(ticker));
  if (code !== 0) {
    process.stderr.write(Buffer.concat(output));
    throw new Error(`${title} failed (${command} ${args.join(' ')}: exit code ${code})`);
  }
  process.stderr.write(`  done in ${seconds()}\n`);
}

/**
 * Runs a program and resolves with its exit code and what it printed; never rejects.
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<{ code: number | null, output: string }>}
 */
export function probe(command, args) {
  return new Promise((resolve) => {
    /** @type {Buffer[]} */
    const output = [];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', () => resolve({ code: 127, output: '' }));
    child.on('close', (code) => resolve({ code, output: Buffer.concat(output).toString() }));
  });
}
