import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';

/**
 * The fields of `package.json` that scripts read.
 *
 * @typedef {object} Manifest
 * @property {string} name
 * @property {boolean} [private]
 * @property {string[]} [files]
 * @property {Record<string, string | Record<string, string>>} [exports] by subpath: a file, or files by condition
 * @property {Record<string, string>} [bin]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [devDependencies]
 *
 * @typedef {object} WorkspacePackage
 * @property {string} name
 * @property {string} folder absolute
 * @property {string} at its folder, relative to the repository
 * @property {Manifest} manifest
 */

/**
 * Every package in `packages`.
 * @returns {WorkspacePackage[]}
 */
export function allPackages() {
  return readdirSync(path.join(ROOT, 'packages'))
    .map((name) => path.join('packages', name))
    .filter((at) => existsSync(path.join(ROOT, at, 'package.json')))
    .map((at) => {
      const folder = path.join(ROOT, at);
      const manifest = manifestOf(folder);
      return { name: manifest.name, at, folder, manifest };
    });
}

/** The packages that are published: those that are not private. */
export function publicPackages() {
  return allPackages().filter(({ manifest }) => !manifest.private);
}

/** @param {string} folder absolute @returns {Manifest} */
export function manifestOf(folder) {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
}

/**
 * The npm beside this Node, else the one on the PATH: a Node that was installed from the registry has none beside it.
 * @returns {string}
 */
export function npm() {
  const beside = path.join(path.dirname(process.execPath), 'npm');
  return existsSync(beside) ? beside : 'npm';
}
