/**
 * Finds regular expressions that need more than linear time for some text: whoever chooses the text could keep a process busy.
 * Reads the compiled sources of every package that runs on a node or on an operator's machine, without their tests.
 */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'acorn';
import { full } from 'acorn-walk';
import { check } from 'recheck';
import { ROOT } from './lib/shell.mjs';

/** Files that build an expression at run time, and why that is safe. */
const COMPOSED = {
  'packages/drivers/src/iofs/home-ownership.ts': 'a constant prefix, without repetition',
};
const NO_NODE_RUNS = ['simulator', 'testing'];
/** Only says when to give up: most take milliseconds, the longest some seconds, and far more while the machine is busy. */
const TIMEOUT_MS = 600_000;

/** @typedef {{ pattern: string, flags: string }} Expression */

/**
 * @param {string} code
 * @returns the literals of a module, and whether it composes others
 */
function expressionsOf(code) {
  /** @type {Expression[]} */
  const literals = [];
  let composes = false;
  full(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), (node) => {
    if (node.type === 'Literal' && node.regex) literals.push(node.regex);
    const called = node.type === 'NewExpression' || node.type === 'CallExpression';
    if (called && node.callee.type === 'Identifier' && node.callee.name === 'RegExp') composes = true;
  });
  return { literals, composes };
}

/**
 * @param {Expression} expression
 * @returns what is wrong with it; undefined: nothing
 */
async function faultOf({ pattern, flags }) {
  const found = await check(pattern, flags, { timeout: TIMEOUT_MS });
  if (found.status === 'safe') return undefined;
  return found.status === 'vulnerable' ? `${found.complexity.summary} time` : `cannot be judged (${found.error.kind})`;
}

/** Checks the checker: one that never finds a fault would accept everything. */
async function seesFaults() {
  const quadratic = await faultOf({ pattern: '"(?:[^"\\\\]|\\\\.)*"', flags: 'g' });
  const exponential = await faultOf({ pattern: '^(a+)+$', flags: '' });
  return quadratic !== undefined && exponential !== undefined;
}

const sources = globSync('packages/*/src/**/*.ts', { cwd: ROOT }).filter((name) => {
  const [, owner = ''] = name.split('/');
  return !NO_NODE_RUNS.includes(owner) && !/\.test(\.support)?\.ts$|\/test-kit\//.test(name);
});
const faults = (await seesFaults()) ? [] : ['the checker accepts expressions that are known to be slow'];
let seen = 0;
for (const name of sources) {
  const compiled = name.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
  const { literals, composes } = expressionsOf(readFileSync(path.join(ROOT, compiled), 'utf8'));
  if (composes && !(name in COMPOSED)) faults.push(`${name}: composes a regular expression; see scripts/regexps.mjs`);
  for (const literal of literals) {
    seen += 1;
    const fault = await faultOf(literal);
    if (fault !== undefined) faults.push(`${name}: /${literal.pattern}/${literal.flags}: ${fault}`);
  }
}
if (seen === 0) faults.push('no regular expression was found');
for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(
    'Write each so that no two of its repetitions can take the same character, or go through the text by hand.',
  );
  process.exitCode = 1;
}
