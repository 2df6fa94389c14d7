import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { packageOf } from './references.mjs';

const require = createRequire(import.meta.url);

/**
 * Checks the README of a package: what it has to show, and the imports of its example. `e2e/src/packages.test.ts` runs the example
 * and compares its output. Loads compiled files, so build first.
 *
 * @param {import('../lib/workspace.mjs').WorkspacePackage} pkg
 * @returns {string[]} one line for each fault
 */
export function readmeFaults({ name, folder, at, manifest }) {
  const file = path.join(folder, 'README.md');
  if (!existsSync(file)) return [`${at}: has no README.md`];
  const text = readFileSync(file, 'utf8');
  const [, installed = ''] = /^npm install (.+)$/m.exec(text) ?? [];
  const example = /^```js\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
  const faults = [];
  if (!text.startsWith(`# ${name}\n`)) faults.push('does not begin with its name');
  if (!installed.split(' ').includes(name)) faults.push('does not show `npm install`');
  if (!text.includes('](../../docs/')) faults.push('has no link to docs');
  if (manifest.bin === undefined && example === '') faults.push('has no example');
  return [...faults, ...exampleFaults(example, installed.split(' '))].map((fault) => `${at}: README.md ${fault}`);
}

/** @param {string} example @param {readonly string[]} installed packages */
function exampleFaults(example, installed) {
  const imports = [...example.matchAll(/^import \{ (.+) \} from '([^']+)';$/gm)]
    .map(([, names = '', module = '']) => ({ names: names.split(', '), module }))
    .filter(({ module }) => !module.startsWith('node:'));
  return imports.flatMap(({ names, module }) => {
    if (!installed.includes(packageOf(module) ?? module))
      return [`does not install ${module}, which its example imports`];
    const exported = require(module);
    return names
      .filter((name) => !(name in exported))
      .map((name) => `imports ${name}, which ${module} does not export`);
  });
}
