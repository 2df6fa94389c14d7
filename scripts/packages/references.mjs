import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';

/** A path of a file in the same package, which may be required, forked or run as a worker. */
const LOCAL = /["'`/](\.{0,2}[\w./-]*\.c?js)["'`]/g;
const IMPORTED = /\b(?:require|import)\(\s*["']([^"'.\s][^"'\s]*)["']\s*\)|\bfrom ["']([^"'.\s][^"'\s]*)["']/g;

/**
 * @typedef {object} References
 * @property {Set<string>} files those reached
 * @property {Map<string, string>} modules each package that one of them imports, with one file that imports it
 */

/**
 * Follows imports and file names from entry points.
 * @param {string} folder of the package
 * @param {string[]} entries relative to it, all `.js`, all `.d.ts` or all `.ts`
 * @returns {References}
 */
export function referencesOf(folder, entries) {
  /** @type {Set<string>} */
  const files = new Set();
  /** @type {Map<string, string>} */
  const modules = new Map();
  /** @param {string} name */
  const visit = (name) => {
    if (files.has(name)) return;
    files.add(name);
    const text = readFileSync(path.join(folder, name), 'utf8');
    for (const [, required, imported = ''] of text.matchAll(IMPORTED)) {
      const module = packageOf(required ?? imported);
      if (module !== undefined && !modules.has(module)) modules.set(module, name);
    }
    for (const [, reference = ''] of text.matchAll(LOCAL)) {
      const target = path.join(path.dirname(name), reference.replace(/^\//, '').replace(/\.js$/, extensionOf(name)));
      if (!target.startsWith('..') && isFile(path.join(folder, target))) visit(target);
    }
  };
  for (const entry of entries) if (isFile(path.join(folder, entry))) visit(path.normalize(entry));
  return { files, modules };
}

/**
 * Follows the entry points of a package: `running` by compiled files, `declared` by declarations.
 * @param {import('../lib/workspace.mjs').WorkspacePackage} pkg
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

/**
 * Imports in sources and declarations name the `.js` file, but refer to a source or a declaration.
 * @param {string} name of the file that imports
 */
function extensionOf(name) {
  const [extension] = /\.(d\.ts|ts)$/.exec(name) ?? ['.js'];
  return extension;
}

/**
 * @param {string} specifier
 * @returns {string | undefined} the package that it belongs to; undefined for built-in modules
 */
export function packageOf(specifier) {
  const parts = specifier.split('/');
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  return name.startsWith('node:') || builtinModules.includes(name) ? undefined : name;
}

/** @param {string} name */
function isFile(name) {
  return existsSync(name) && statSync(name).isFile();
}
