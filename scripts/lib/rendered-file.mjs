import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';

/**
 * Writes a file that is rendered from declarations. With `--check` on the command line it writes nothing; if the file would
 * change, it reports that and the process ends with code 1.
 * @param {string} name below the repository
 * @param {string} wanted
 */
export function renderFile(name, wanted) {
  const file = path.join(ROOT, name);
  if (!process.argv.includes('--check')) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, wanted);
    return;
  }
  if (read(file) === wanted) return;
  console.error(`${name} is not what the declarations say. Run: npm run docs`);
  process.exitCode = 1;
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
