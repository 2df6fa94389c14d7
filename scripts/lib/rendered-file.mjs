import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './shell.mjs';

/**
 * Writes a file that is made from declarations; with `--check` on the command line it only says when that would change it, and
 * the process then ends with 1.
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

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
