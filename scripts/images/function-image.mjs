import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildImage } from './engine.mjs';

const run = promisify(execFile);

/**
 * Builds the folder of a function as an image, if anything in it changed.
 *
 * What the folder holds decides what is done first: a `package-lock.json` without `node_modules` is installed, C
 * sources are compiled to one static program in `dist/`. The Dockerfile gets the base image as the argument `BASE`.
 *
 * @param {string} dir
 * @param {string} tag
 * @param {{ base?: string, progress?: (line: string) => void }} [options]
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

async function installDependencies(dir, progress) {
  if (!existsSync(join(dir, 'package-lock.json')) || existsSync(join(dir, 'node_modules'))) return;
  progress(`${dir}: npm ci`);
  // The npm beside this Node, else the one on the path: a runtime that came as a package brings none.
  const beside = join(dirname(process.execPath), 'npm');
  await run(existsSync(beside) ? beside : 'npm', ['ci', '--omit=dev', '--no-audit', '--no-fund'], { cwd: dir });
}

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

async function modified(path) {
  return existsSync(path) ? (await stat(path)).mtimeMs : 0;
}

/** The folder as tar entries, in a fixed order. Permissions are reduced to what matters: executable or not. */
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
