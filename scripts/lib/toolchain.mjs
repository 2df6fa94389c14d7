import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { copySharedFiles, removeStaleOutputs } from './build-outputs.mjs';
import { ROOT, run, step } from './shell.mjs';

const NEEDED_MAJOR = 24;
const STAMP = path.join(ROOT, 'node_modules/.installed-from');

/** Installs what the lockfile names, unless that was done for this content of the lockfile. */
export async function ensureInstalled() {
  const wanted = createHash('sha256')
    .update(readFileSync(path.join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  await step('installing dependencies', 'npm', ['ci', '--no-progress', '--loglevel=error']);
  writeFileSync(STAMP, wanted);
}

/**
 * The Node that everything runs on: this one if it is new enough, else the one that the lockfile installs. Call
 * `ensureInstalled` before.
 */
export function runtime() {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) return process.execPath;
  const name = `node-${process.platform === 'darwin' ? 'bin-darwin' : process.platform}-${process.arch}`;
  const found = path.join(ROOT, 'node_modules', name, 'bin/node');
  if (existsSync(found)) return found;
  throw new Error(
    `fnfleet needs Node ${NEEDED_MAJOR} or newer; this is ${process.version} and there is no packaged runtime for ` +
      `${process.platform} ${process.arch}. Install Node ${NEEDED_MAJOR} and try again.`,
  );
}

/** The environment of every process that scripts start: our runtime and our tools come first on the PATH. */
export function toolEnv(extra = {}) {
  const bin = path.join(ROOT, 'node_modules/.bin');
  return { ...process.env, PATH: [path.dirname(runtime()), bin, process.env.PATH].join(path.delimiter), ...extra };
}

/**
 * Runs a script on our runtime.
 * @param {string} script
 * @param {readonly string[]} [args]
 * @param {NodeJS.ProcessEnv} [extraEnv]
 */
export function node(script, args = [], extraEnv = {}) {
  return run(runtime(), [path.resolve(ROOT, script), ...args], { env: toolEnv(extraEnv) });
}

/**
 * Runs a tool of node_modules.
 * @param {string} name
 * @param {readonly string[]} [args]
 */
export function tool(name, args = []) {
  return run(path.join(ROOT, 'node_modules/.bin', name), args, { env: toolEnv() });
}

/** @param {readonly string[]} [projects] these folders and what they build on; else everything */
export async function build(projects = []) {
  await ensureInstalled();
  const args = ['--build', ...new Set(projects)];
  await step('building', path.join(ROOT, 'node_modules/.bin/tsc'), args, { env: toolEnv() });
  removeStaleOutputs();
  copySharedFiles();
}
