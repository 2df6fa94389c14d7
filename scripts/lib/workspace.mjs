import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';

/**
 * @typedef {{ name: string, folder: string, at: string, manifest: Record<string, any> }} WorkspacePackage
 *   `at`: its folder as seen from the repository
 */

/**
 * The packages of this repository that npm gets: those below `packages` that are not marked private.
 * @returns {WorkspacePackage[]}
 */
export function publicPackages() {
  return globSync('packages/*/package.json', { cwd: ROOT })
    .sort()
    .map((file) => {
      const at = path.dirname(file);
      return { at, folder: path.join(ROOT, at), manifest: JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) };
    })
    .filter(({ manifest }) => !manifest.private)
    .map((found) => ({ ...found, name: found.manifest.name }));
}

/**
 * The npm beside this Node, else the one on the path: a runtime that came as a package brings none.
 * @returns {string}
 */
export function npm() {
  const beside = path.join(path.dirname(process.execPath), 'npm');
  return existsSync(beside) ? beside : 'npm';
}
