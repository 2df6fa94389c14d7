import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';
import { publicPackages } from './workspace.mjs';

/** Extensions of the files that the compiler writes for `name.ts`. */
const COMPILED = /\.(js|d\.ts)(\.map)?$/;

/**
 * Removes compiled files whose source was deleted or renamed. The compiler keeps them, so they would be published, and tests
 * among them would still run.
 */
export function removeStaleOutputs() {
  const built = readdirSync(path.join(ROOT, 'packages')).map((name) => path.join(ROOT, 'packages', name));
  for (const folder of [...built, path.join(ROOT, 'e2e')]) {
    for (const output of filesBelow(path.join(folder, 'dist'))) {
      if (!COMPILED.test(output)) continue;
      const source = path.relative(path.join(folder, 'dist'), output).replace(COMPILED, '.ts');
      if (!existsSync(path.join(folder, 'src', source))) rmSync(output, { force: true });
    }
  }
}

/** @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(name) : [name];
  });
}

/**
 * Copies LICENSE into each public package, and `proto/runner.proto` into those whose `files` lists `proto`: npm packs only what is in
 * the folder of the package. Git ignores the copies.
 */
export function copySharedFiles() {
  for (const { folder, manifest } of publicPackages()) {
    copy('LICENSE', folder);
    if (manifest.files?.includes('proto')) copy('proto/runner.proto', folder);
  }
}

/**
 * Replaces the file atomically, because tests of another run may be reading it.
 * @param {string} name relative to the repository, and to the folder
 * @param {string} folder
 */
function copy(name, folder) {
  const wanted = readFileSync(path.join(ROOT, name));
  const target = path.join(folder, name);
  if (existsSync(target) && readFileSync(target).equals(wanted)) return;
  mkdirSync(path.dirname(target), { recursive: true });
  const written = `${target}.${process.pid}`;
  writeFileSync(written, wanted);
  renameSync(written, target);
}
