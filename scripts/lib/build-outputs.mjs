import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';
import { publicPackages } from './workspace.mjs';

/** What the compiler makes of `name.ts`. */
const COMPILED = /\.(js|d\.ts)(\.map)?$/;

/**
 * Removes what the compiler once made of files that are gone or have another name by now: such a file would be packed and
 * published, and a test among them would go on to run.
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

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(name) : [name];
  });
}

/**
 * Puts into each public package what the repository has once and npm needs in every package: the licence, and the protocol
 * where `files` names it. Git ignores the copies.
 */
export function copySharedFiles() {
  for (const { folder, manifest } of publicPackages()) {
    copy('LICENSE', folder);
    if (manifest.files?.includes('proto')) copy('proto/runner.proto', folder);
  }
}

/** In one step: tests of another run may be reading the file. */
function copy(name, folder) {
  const wanted = readFileSync(path.join(ROOT, name));
  const target = path.join(folder, name);
  if (existsSync(target) && readFileSync(target).equals(wanted)) return;
  mkdirSync(path.dirname(target), { recursive: true });
  const written = `${target}.${process.pid}`;
  writeFileSync(written, wanted);
  renameSync(written, target);
}
