import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const run = promisify(execFile);
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * @typedef {ReturnType<typeof treeAt>} Tree
 * @typedef {object} BenchOptions of each part
 * @property {number} seconds how long one measurement takes
 * @property {number} rounds
 * @property {import('./clean-up.mjs').CleanUp} undo
 * @property {Tree[]} trees
 */

/**
 * A built checkout whose fleets can be measured.
 * @param {string} root
 * @param {string} name
 */
function treeAt(root, name) {
  /** @type {(file: string) => typeof import('fnfleet')} */
  const load = (file) => require(path.join(root, 'packages', file));
  return {
    name,
    root,
    LocalFleet: load('cli/dist/fleet/local-fleet.js').LocalFleet,
    command: path.join(root, 'bin/fnfleet'),
    /** Whether runners of its fleets can listen on unix sockets; older commits have ports only. */
    hasSockets: existsSync(path.join(root, 'packages/pure-runner/dist/socket-file.js')),
  };
}

/** The checkout that this script is in. */
export const HERE = treeAt(ROOT, 'now');

/**
 * Builds another commit beside this one, to measure both in one run: two runs on a noisy machine cannot be compared.
 * @param {string | undefined} commit undefined: only this one is measured
 */
export async function treesWith(commit) {
  if (commit === undefined) return [HERE];
  const { stdout } = await run('git', ['rev-parse', '--short', commit], { cwd: ROOT });
  const id = stdout.trim();
  const root = path.join(ROOT, '.fnfleet/bench', id);
  if (!existsSync(root)) {
    console.error(`• checking out ${id}, to measure it as well`);
    mkdirSync(path.dirname(root), { recursive: true });
    // A clone leaves nothing in the repository, unlike a worktree.
    await run('git', ['clone', '-q', '--shared', ROOT, root]);
    await run('git', ['checkout', '-q', id], { cwd: root });
  }
  console.error(`• building ${id}`);
  await run('node', ['scripts/run.mjs', 'build'], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return [treeAt(root, id), HERE];
}
