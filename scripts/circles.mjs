/**
 * Finds modules that import each other, whether for values or for types alone: neither can be read, moved or tested without
 * the other. dependency-cruiser looks at compiled code, where imports of types are gone.
 */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/shell.mjs';

/** @type {Map<string, string[]>} */
const imports = new Map();
for (const file of globSync(['packages/*/src/**/*.ts', 'e2e/src/**/*.ts'], { cwd: ROOT })) {
  const source = readFileSync(path.join(ROOT, file), 'utf8');
  const relative = [...source.matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+)\.js'/g)];
  imports.set(
    file,
    relative.map(([, target = '']) => `${path.join(path.dirname(file), target)}.ts`),
  );
}

/** @type {string[][]} */
const circles = [];
/** @type {Map<string, 'on the way' | 'done'>} */
const state = new Map();

/**
 * @param {string} file
 * @param {string[]} way from where the walk began to the file
 */
function walk(file, way) {
  state.set(file, 'on the way');
  for (const next of imports.get(file) ?? []) {
    if (state.get(next) === 'on the way') circles.push([...way.slice(way.indexOf(next)), next]);
    else if (!state.has(next)) walk(next, [...way, next]);
  }
  state.set(file, 'done');
}

for (const file of imports.keys()) if (!state.has(file)) walk(file, [file]);
for (const circle of circles) console.error(`a circle of imports: ${circle.join(' → ')}`);
process.exit(circles.length === 0 ? 0 : 1);
