import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';

/**
 * @typedef {{ name: string, folder: string, at: string, manifest: Record<string, any> }} WorkspacePackage
 *   `at`: its folder as seen from the repository
 */

/**
 * The packages that are published: those in `packages` that are not private.
 * @returns {WorkspacePackage[]}
 */
export function publicPackages() {
  return readdirSync(path.join(ROOT, 'packages'))
    .map((name) => path.join('packages', name))
    .filter((at) => existsSync(path.join(ROOT, at, 'package.json')))
    .map((at) => {
      const folder = path.join(ROOT, at);
      return { at, folder, manifest: JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) };
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
