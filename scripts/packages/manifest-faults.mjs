import { existsSync, globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ROOT } from '../lib/shell.mjs';
import { packageOf, referencesOf } from './references.mjs';

const IMPORT = /\bfrom '([@\w][@\w/.:-]*)'|\b(?:import|require(?:\.resolve)?)\('([@\w][@\w/.:-]*)'\)/g;

const require = createRequire(import.meta.url);

/**
 * Checks the manifest and README of a package, and finds unused and missing dependencies. Reads compiled files, so build first.
 *
 * @param {import('../lib/workspace.mjs').WorkspacePackage} pkg
 * @param {readonly import('../lib/workspace.mjs').WorkspacePackage[]} all the public packages
 * @returns {string[]} one line for each fault
 */
export function manifestFaults(pkg, all) {
  return [...fieldFaults(pkg), ...readmeFaults(pkg), ...dependencyFaults(pkg, all)].map(
    (fault) => `${pkg.at}: ${fault}`,
  );
}

function fieldFaults({ name, at, manifest }) {
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
    .filter(([field, value]) => JSON.stringify(manifest[field]) !== JSON.stringify(value))
    .map(([field, value]) => `"${field}" must be ${JSON.stringify(value)}`);
  for (const field of ['description', 'keywords', 'files', 'exports']) {
    if (Object.keys(manifest[field] ?? {}).length === 0) faults.push(`has no "${field}"`);
  }
  if (name !== 'fnfleet' && !name.startsWith('@fnfleet/')) faults.push('its name is not in the scope @fnfleet');
  return faults;
}

/** Checks only the imports of the example; `e2e/src/packages.test.ts` runs it and compares its output. */
function readmeFaults({ name, folder, manifest }) {
  const file = path.join(folder, 'README.md');
  if (!existsSync(file)) return ['has no README.md'];
  const text = readFileSync(file, 'utf8');
  const [, installed = ''] = /^npm install (.+)$/m.exec(text) ?? [];
  const example = /^```js\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
  const faults = [
    [text.startsWith(`# ${name}\n`), 'does not begin with its name'],
    [installed.split(' ').includes(name), 'does not show `npm install`'],
    [text.includes('](../../docs/'), 'has no link to docs'],
    [manifest.bin !== undefined || example !== '', 'has no example'],
  ].flatMap(([holds, fault]) => (holds ? [] : [fault]));
  return [...faults, ...exampleFaults(example, installed.split(' '))].map((fault) => `README.md ${fault}`);
}

function exampleFaults(example, installed) {
  const imports = [...example.matchAll(/^import \{ (.+) \} from '([^']+)';$/gm)]
    .map(([, names, module]) => ({ names: names.split(', '), module }))
    .filter(({ module }) => !module.startsWith('node:'));
  return imports.flatMap(({ names, module }) => {
    const pkg = module
      .split('/')
      .slice(0, module.startsWith('@') ? 2 : 1)
      .join('/');
    if (!installed.includes(pkg)) return [`does not install ${module}, which its example imports`];
    const exported = require(module);
    return names
      .filter((name) => !(name in exported))
      .map((name) => `imports ${name}, which ${module} does not export`);
  });
}

function dependencyFaults({ name, folder, manifest }, all) {
  const { dependencies = {}, devDependencies = {} } = manifest;
  const { running, declared } = publicReferences({ folder, manifest });
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

/**
 * Follows the entry points of a package: `running` by compiled files, `declared` by declarations.
 * @param {Pick<import('../lib/workspace.mjs').WorkspacePackage, 'folder' | 'manifest'>} pkg
 */
export function publicReferences({ folder, manifest }) {
  const targets = Object.values(manifest.exports ?? {}).flatMap((target) =>
    typeof target === 'string' ? [target] : Object.values(target),
  );
  const commands = Object.values(manifest.bin ?? {}).flatMap((command) =>
    globSync(`${path.dirname(command)}/*`, { cwd: folder }),
  );
  const scripts = targets.filter((target) => target.endsWith('.js'));
  return {
    running: referencesOf(folder, [...scripts, ...commands]),
    declared: referencesOf(
      folder,
      targets.filter((target) => target.endsWith('.d.ts')),
    ),
  };
}

function hasTypes(module) {
  const manifest = path.join(ROOT, 'node_modules', module, 'package.json');
  return existsSync(manifest) && /"(types|typings)":/.test(readFileSync(manifest, 'utf8'));
}

function typesOf(module) {
  return `@types/${module.replace(/^@/, '').replace('/', '__')}`;
}

function importedBySources(folder) {
  const found = new Set();
  for (const file of globSync('{src,bench}/**/*.{ts,mjs}', { cwd: folder })) {
    for (const [, from, called] of readFileSync(path.join(folder, file), 'utf8').matchAll(IMPORT)) {
      const module = packageOf(from ?? called);
      if (module !== undefined) found.add(module);
    }
  }
  return found;
}
