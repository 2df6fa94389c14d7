import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../lib/shell.mjs';
import { packageOf, publicReferences } from './references.mjs';

/** @typedef {import('../lib/workspace.mjs').WorkspacePackage} WorkspacePackage */

const IMPORT = /\bfrom '([@\w][@\w/.:-]*)'|\b(?:import|require(?:\.resolve)?)\('([@\w][@\w/.:-]*)'\)/g;

/**
 * Checks the manifest of a package, and finds unused and missing dependencies. Reads compiled files, so build first.
 *
 * @param {WorkspacePackage} pkg
 * @param {readonly WorkspacePackage[]} all the public packages
 * @returns {string[]} one line for each fault
 */
export function manifestFaults(pkg, all) {
  return [...fieldFaults(pkg), ...dependencyFaults(pkg, all)].map((fault) => `${pkg.at}: ${fault}`);
}

/** @param {WorkspacePackage} pkg */
function fieldFaults({ name, at, manifest }) {
  /** @type {Record<string, unknown>} */
  const fields = { ...manifest };
  const root = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const { version } = JSON.parse(readFileSync(path.join(ROOT, 'lerna.json'), 'utf8'));
  const wanted = {
    version,
    license: root.license,
    engines: root.engines,
    repository: { ...root.repository, directory: at },
    type: 'commonjs',
    publishConfig: { access: 'public' },
  };
  const faults = Object.entries(wanted)
    .filter(([field, value]) => JSON.stringify(fields[field]) !== JSON.stringify(value))
    .map(([field, value]) => `"${field}" must be ${JSON.stringify(value)}`);
  for (const field of ['description', 'keywords', 'files', 'exports']) {
    if (Object.keys(fields[field] ?? {}).length === 0) faults.push(`has no "${field}"`);
  }
  if (name !== 'fnfleet' && !name.startsWith('@fnfleet/')) faults.push('its name is not in the scope @fnfleet');
  return faults;
}

/** @param {WorkspacePackage} pkg @param {readonly WorkspacePackage[]} all */
function dependencyFaults(pkg, all) {
  const { name, folder, manifest } = pkg;
  const { dependencies = {}, devDependencies = {} } = manifest;
  const { running, declared } = publicReferences(pkg);
  const faults = [];
  for (const [module, file] of running.modules) {
    if (module !== name && !(module in dependencies))
      faults.push(`${file} imports ${module}, which is not a dependency`);
  }
  for (const [module, file] of declared.modules) {
    const needed = hasTypes(module) ? module : typesOf(module);
    if (module !== name && !(needed in dependencies))
      faults.push(`${file} uses types of ${needed}, which is not a dependency`);
  }
  const published = new Set([...running.modules.keys(), ...declared.modules.keys()]);
  for (const dependency of Object.keys(dependencies)) {
    if (!published.has(dependency) && ![...declared.modules.keys()].some((module) => typesOf(module) === dependency)) {
      faults.push(`no published file imports the dependency ${dependency}`);
    }
    if (dependency.startsWith('@fnfleet/') && !all.some((other) => other.name === dependency)) {
      faults.push(`depends on ${dependency}, which is not published`);
    }
  }
  const imported = importedBySources(folder);
  for (const module of imported) {
    if (module !== name && !(module in { ...dependencies, ...devDependencies })) {
      faults.push(`a source imports ${module}, which is neither a dependency nor a devDependency`);
    }
  }
  for (const dependency of Object.keys(devDependencies)) {
    if (![...imported].some((module) => module === dependency || typesOf(module) === dependency)) {
      faults.push(`no source imports the devDependency ${dependency}`);
    }
  }
  return faults;
}

/** @param {string} module a package */
function hasTypes(module) {
  const manifest = path.join(ROOT, 'node_modules', module, 'package.json');
  return existsSync(manifest) && /"(types|typings)":/.test(readFileSync(manifest, 'utf8'));
}

/** @param {string} module a package */
function typesOf(module) {
  return `@types/${module.replace(/^@/, '').replace('/', '__')}`;
}

/** @param {string} folder */
function importedBySources(folder) {
  /** @type {Set<string>} */
  const found = new Set();
  for (const file of globSync('{src,bench}/**/*.{ts,mjs}', { cwd: folder })) {
    for (const [, from, called = ''] of readFileSync(path.join(folder, file), 'utf8').matchAll(IMPORT)) {
      const module = packageOf(from ?? called);
      if (module !== undefined) found.add(module);
    }
  }
  return found;
}
