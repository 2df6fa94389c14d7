import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { npm } from '../lib/workspace.mjs';

/**
 * What runs in production and nothing else: the packages as they would be published, and the dependencies that the lockfile
 * names for them. Everything lies in one `node_modules`, with the `package.json` of each, so that whoever lists software
 * finds it; `npm-shrinkwrap.json` beside it says which versions were asked for.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = path.join(ROOT, '.fnfleet/production');
/** For compilers, debuggers and readers; a third of the bytes. */
const NOT_RUN = /\.(map|md|markdown|flow|[cm]?ts|tsbuildinfo)$/i;
const NOT_RUN_FOLDERS = /\/@opentelemetry\/[^/]+\/build\/esm[^/]*(\/|$)|\/(\.bin|\.github|__tests__)(\/|$)/;
const NOT_PUBLISHED = /\.test\.|\/test-[^/]*$|\/(test-[^/]*|testing)\//;

/**
 * @param {{ progress?: (line: string) => void }} [options]
 * @returns {Promise<{ path: string, file: string }[]>} paths below the folder of the application, and where their contents are
 */
export async function productionTree({ progress = () => undefined } = {}) {
  const dependencies = await installedDependencies(progress);
  const workspaces = await packages();
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
  for (const { name, folder } of workspaces) {
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

/** Writes the tree to a folder that does not exist yet: for a build inside of Docker. */
export async function writeProductionTree(target, options) {
  for (const { path: at, file } of await productionTree(options)) {
    await mkdir(path.dirname(path.join(target, at)), { recursive: true });
    await cp(file, path.join(target, at));
  }
}

/** The workspace that the command needs; e2e, bench and tests are none of it. */
async function packages() {
  const all = await Promise.all(
    (await readdir(path.join(ROOT, 'packages'))).map(async (entry) => {
      const folder = path.join(ROOT, 'packages', entry);
      return { folder, ...JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) };
    }),
  );
  const byName = new Map(all.map((pkg) => [pkg.name, pkg]));
  const needed = new Set();
  const visit = (name) => {
    const pkg = byName.get(name);
    if (pkg === undefined || needed.has(pkg)) return;
    needed.add(pkg);
    for (const dependency of Object.keys(pkg.dependencies ?? {})) visit(dependency);
  };
  visit('fnfleet');
  return [...needed];
}

/** Installed once for each lockfile. */
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
    // Those of other lockfiles are of no more use.
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

/** Regular files only: the links in a node_modules lead to the packages of this repository, which are added by themselves. */
async function filesBelow(folder, into, wanted) {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ path: `${into}/${path.relative(folder, file)}`, file }))
    .filter(({ path: at }) => !NOT_RUN.test(at) && wanted(`/${at}`));
}
