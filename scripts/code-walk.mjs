/**
 * Checks the functions that docs/code-walk.md names: each link such as [`Class.method`](../packages/…/file.ts) has to lead to a
 * file that declares this class, interface or function, and in it this method.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/shell.mjs';

const PAGE = 'docs/code-walk.md';
const LINK = /\[`([\w.]+)`\]\(([^)#]+\.ts)\)/g;
/** With fewer, the page has lost its links or writes them in another form. */
const LEAST_LINKS = 30;

const faults = [];
const links = [
  ...readFileSync(path.join(ROOT, PAGE), 'utf8')
    .replaceAll(/\]\s*\n\s*\(/g, '](')
    .matchAll(LINK),
];
for (const [, name = '', target = ''] of links) {
  const file = path.join(ROOT, path.dirname(PAGE), target);
  if (!existsSync(file)) faults.push(`${name}: there is no ${target}`);
  else if (!declares(readFileSync(file, 'utf8'), name)) faults.push(`${target} does not declare ${name}`);
}
if (links.length < LEAST_LINKS) faults.push(`names only ${links.length} functions`);
for (const fault of faults) console.error(`${PAGE}: ${fault}`);
if (faults.length > 0) process.exitCode = 1;

/**
 * @param {string} code as biome formats it
 * @param {string} name `Class`, `Class.method` or `func`
 */
function declares(code, name) {
  const [owner, method] = name.split('.');
  const declaration = new RegExp(`^(?:export )?(?:abstract |async )*(?:class|interface|function\\*?) ${owner}\\b`, 'm');
  const found = declaration.exec(code);
  if (found === null || method === undefined) return found !== null;
  const rest = code.slice(found.index);
  const body = rest.slice(0, rest.indexOf('\n}'));
  return new RegExp(`^  (?:(?:private|protected|static|async|readonly|override) )*${method}[(<?:]`, 'm').test(body);
}
