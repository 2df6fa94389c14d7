import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { npm } from '../lib/workspace.mjs';
import { buildImage } from './engine.mjs';

/** @typedef {import('./engine.mjs').Progress} Progress */

const run = promisify(execFile);

/**
 * Builds the folder of a function as an image, if anything in it changed.
 *
 * Before that, it installs what a `package-lock.json` without `node_modules` names, and compiles each C source to a static
 * program in `dist/`. The Dockerfile gets the base image as the argument `BASE`.
 *
 * @param {string} dir
 * @param {string} tag
 * @param {{ base?: string, progress?: Progress }} [options]
 * @returns {Promise<{ tag: string, built: boolean }>}
 */
export async function buildFunctionImage(dir, tag, { base, progress = () => undefined } = {}) {
  await installDependencies(dir, progress);
  await compile(dir, progress);
  return buildImage({
    tag,
    entries: await entriesOf(dir),
    buildArgs: base === undefined ? {} : { BASE: base },
    progress,
  });
}

/** @param {string} dir @param {Progress} progress */
async function installDependencies(dir, progress) {
  if (!existsSync(join(dir, 'package-lock.json')) || existsSync(join(dir, 'node_modules'))) return;
  progress(`${dir}: npm ci`);
  await run(npm(), ['ci', '--omit=dev', '--no-audit', '--no-fund'], { cwd: dir });
}

/** @param {string} dir @param {Progress} progress */
async function compile(dir, progress) {
  const sources = (await readdir(dir)).filter((name) => name.endsWith('.c')).sort();
  for (const source of sources) {
    const program = join('dist', source.slice(0, -'.c'.length));
    if ((await modified(join(dir, program))) > (await modified(join(dir, source)))) continue;
    progress(`${dir}: compiling ${source}`);
    await mkdir(join(dir, 'dist'), { recursive: true });
    await run('gcc', ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-s', '-o', program, source], {
      cwd: dir,
    });
  }
}

/** @param {string} path @returns milliseconds; 0 if there is no such file */
async function modified(path) {
  return existsSync(path) ? (await stat(path)).mtimeMs : 0;
}

/**
 * The folder as tar entries, in a fixed order. Of the permissions, only executable or not is kept.
 * @param {string} dir
 */
async function entriesOf(dir) {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
  return Promise.all(
    files.map(async (path) => {
      const file = join(dir, path);
      const { size, mode } = await stat(file);
      return { path, file, size, mode: mode & 0o111 ? 0o755 : 0o644 };
    }),
  );
}
