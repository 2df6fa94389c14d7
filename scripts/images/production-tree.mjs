import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../lib/shell.mjs';
import { allPackages, npm } from '../lib/workspace.mjs';

/**
 * The files that run in production and no others: the packages as they are published, and the dependencies that the lockfile
 * names for them. All are in one `node_modules`, each with its `package.json`, so that scanners of software find them;
 * `npm-shrinkwrap.json` beside it says which versions were installed.
 *
 * @typedef {import('./engine.mjs').Progress} Progress
 * @typedef {object} ProductionFile
 * @property {string} path below the folder of the application
 * @property {string} file where its contents are
 */

const CACHE = path.join(ROOT, '.fnfleet/production');
/** Files for compilers, debuggers and readers; a third of the bytes. */
const NOT_RUN = /\.(map|md|markdown|flow|[cm]?ts|tsbuildinfo)$/i;
const NOT_RUN_FOLDERS = /\/@opentelemetry\/[^/]+\/build\/esm[^/]*(\/|$)|\/(\.bin|\.github|__tests__)(\/|$)/;
const NOT_PUBLISHED = /\.test\.|\/test-[^/]*$|\/(test-[^/]*|testing)\//;

/**
 * @param {{ progress?: Progress }} [options]
 * @returns {Promise<ProductionFile[]>}
 */
export async function productionTree({ progress = () => undefined } = {}) {
  const dependencies = await installedDependencies(progress);
  const files = [
    ...(await filesBelow(
      path.join(dependencies, 'node_modules'),
      'node_modules',
      (relative) => !NOT_RUN_FOLDERS.test(relative),
    )),
    { path: 'package.json', file: path.join(dependencies, 'package.json') },
    { path: 'npm-shrinkwrap.json', file: path.join(dependencies, 'package-lock.json') },
    { path: 'LICENSE', file: path.join(ROOT, 'LICENSE') },
  ];
  for (const { name, folder } of neededPackages()) {
    const into = `node_modules/${name}`;
    files.push({ path: `${into}/package.json`, file: path.join(folder, 'package.json') });
    for (const part of ['dist', 'bin', 'templates', 'proto']) {
      if (!existsSync(path.join(folder, part))) continue;
      files.push(
        ...(await filesBelow(path.join(folder, part), `${into}/${part}`, (relative) => !NOT_PUBLISHED.test(relative))),
      );
    }
    const nested = path.join(dependencies, path.relative(ROOT, folder), 'node_modules');
    if (existsSync(nested)) {
      files.push(...(await filesBelow(nested, `${into}/node_modules`, (relative) => !NOT_RUN_FOLDERS.test(relative))));
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Writes the tree to a folder that does not exist yet, for a build inside Docker.
 * @param {string} target
 * @param {{ progress?: Progress }} [options]
 */
export async function writeProductionTree(target, options) {
  for (const { path: at, file } of await productionTree(options)) {
    await mkdir(path.dirname(path.join(target, at)), { recursive: true });
    await cp(file, path.join(target, at));
  }
}

/** The packages of this repository that the command needs. */
function neededPackages() {
  const byName = new Map(allPackages().map((pkg) => [pkg.name, pkg]));
  /** @type {Set<import('../lib/workspace.mjs').WorkspacePackage>} */
  const needed = new Set();
  /** @param {string} name */
  const visit = (name) => {
    const pkg = byName.get(name);
    if (pkg === undefined || needed.has(pkg)) return;
    needed.add(pkg);
    for (const dependency of Object.keys(pkg.manifest.dependencies ?? {})) visit(dependency);
  };
  visit('fnfleet');
  return [...needed];
}

/**
 * Installs the dependencies of the command, once for each content of the lockfile.
 * @param {Progress} progress
 * @returns the folder that has the `node_modules`
 */
async function installedDependencies(progress) {
  const lockfile = await readFile(path.join(ROOT, 'package-lock.json'));
  const folder = path.join(CACHE, createHash('sha256').update(lockfile).digest('hex').slice(0, 16));
  if (existsSync(folder)) return folder;
  progress('production dependencies: npm ci');
  await mkdir(CACHE, { recursive: true });
  const making = await mkdtemp(path.join(CACHE, 'making-'));
  try {
    const manifests = ['package.json', 'package-lock.json', '.npmrc', 'e2e/package.json'];
    for (const entry of await readdir(path.join(ROOT, 'packages'))) manifests.push(`packages/${entry}/package.json`);
    for (const manifest of manifests) {
      await mkdir(path.dirname(path.join(making, manifest)), { recursive: true });
      await cp(path.join(ROOT, manifest), path.join(making, manifest));
    }
    const arguments_ = [
      'ci',
      '--workspace=fnfleet',
      '--omit=dev',
      '--omit=optional',
      '--ignore-scripts',
      '--prefer-offline',
    ];
    await promisify(execFile)(npm(), [...arguments_, '--loglevel=error'], { cwd: making });
    // Those of other lockfiles are no longer needed.
    for (const old of await readdir(CACHE)) {
      if (!old.startsWith('making-')) await rm(path.join(CACHE, old), { recursive: true, force: true });
    }
    await rename(making, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return folder;
}

/**
 * Regular files only: the links in a node_modules lead to the packages of this repository, which are added by themselves.
 * @param {string} folder
 * @param {string} into
 * @param {(name: string) => boolean} wanted of a path below the folder, with a slash before it
 * @returns {Promise<ProductionFile[]>}
 */
async function filesBelow(folder, into, wanted) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ path: `${into}/${path.relative(folder, file)}`, file }))
    .filter(({ path: at }) => !NOT_RUN.test(at) && wanted(`/${at}`));
}
