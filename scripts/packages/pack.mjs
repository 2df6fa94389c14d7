import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../lib/shell.mjs';
import { npm } from '../lib/workspace.mjs';

/**
 * @typedef {object} PackedPackage
 * @property {import('../lib/workspace.mjs').WorkspacePackage} pkg
 * @property {Buffer<ArrayBuffer>} tarball
 * @property {ReadonlySet<string>} files in the archive, relative to the folder of the package
 */

/**
 * Packs packages as `npm publish` does. Build first.
 * @param {readonly import('../lib/workspace.mjs').WorkspacePackage[]} packages
 * @param {string} folder for the archives; replaces those that are there
 * @returns {Promise<PackedPackage[]>}
 */
export async function pack(packages, folder) {
  await mkdir(folder, { recursive: true });
  const old = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  await Promise.all(old.map((name) => rm(path.join(folder, name))));
  const workspaces = packages.map(({ name }) => `--workspace=${name}`);
  const args = ['pack', ...workspaces, '--json', '--loglevel=error', `--pack-destination=${folder}`];
  const { stdout } = await promisify(execFile)(npm(), args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  /** @type {{ name: string, filename: string, files: { path: string }[] }[]} */
  const reports = Object.values(JSON.parse(stdout));
  return Promise.all(
    packages.map(async (pkg) => {
      const report = reports.find(({ name }) => name === pkg.name);
      if (report === undefined) throw new Error(`npm pack says nothing of ${pkg.name}`);
      const { filename, files } = report;
      const tarball = await readFile(path.join(folder, path.basename(filename)));
      return { pkg, tarball, files: new Set(files.map((file) => file.path)) };
    }),
  );
}
