import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ROOT, step } from '../lib/shell.mjs';
import { toolEnv } from '../lib/toolchain.mjs';
import { PACKAGES } from './instrument.mjs';

export const WORK = path.join(ROOT, '.fnfleet/mutation');
export const SANDBOX = path.join(WORK, 'sandbox');

/**
 * @typedef {object} Fingerprints
 * @property {string} all of everything in `packages`
 * @property {string} product of everything in `packages` but tests
 * @property {Map<string, string>} tests of each test file, by its compiled path
 */

/**
 * Makes a copy of the repository whose product files are the instrumented ones, and compiles it. Workspaces are linked to the
 * copy, all other packages to the original. Files of the last run are reused, so that only changes are compiled.
 *
 * @param {readonly { name: string, content: string }[]} instrumented
 * @returns {Promise<Fingerprints>}
 */
export async function prepareSandbox(instrumented) {
  mkdirSync(SANDBOX, { recursive: true });
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  const names = listed
    .toString()
    .split('\0')
    .filter((name) => name !== '' && existsSync(path.join(ROOT, name)));
  const replaced = new Map(instrumented.map(({ name, content }) => [name, content]));
  removeStaleSources(new Set(names));
  const all = createHash('sha256');
  const product = createHash('sha256');
  /** @type {Map<string, string>} */
  const tests = new Map();
  for (const name of names) {
    const content = Buffer.from(replaced.get(name) ?? readFileSync(path.join(ROOT, name)));
    const target = path.join(SANDBOX, name);
    if (name.startsWith('packages/')) {
      const hash = createHash('sha256').update(`${name} ${content.length} `).update(content).digest('hex');
      all.update(hash);
      if (!isTest(name)) product.update(hash);
      else if (PACKAGES.some((owner) => name.startsWith(`packages/${owner}/`))) tests.set(compiledFrom(target), hash);
    }
    if (existsSync(target) && readFileSync(target).equals(content)) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content, { mode: statSync(path.join(ROOT, name)).mode });
  }
  linkModules();
  link(path.join(ROOT, '.fnfleet/tools'), path.join(SANDBOX, '.fnfleet/tools'));
  await step('compiling the mutants', path.join(ROOT, 'node_modules/.bin/tsc'), ['--build', '--noCheck'], {
    cwd: SANDBOX,
    env: toolEnv(),
  });
  return { all: all.digest('hex'), product: product.digest('hex'), tests };
}

/** @param {string} name */
function isTest(name) {
  return name.endsWith('.test.ts');
}

/** @param {string} source */
function compiledFrom(source) {
  return source.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
}

/**
 * Removes sources that are gone from the repository, with their compiled files, so that a test that was removed does not run.
 * @param {ReadonlySet<string>} names those that stay
 */
function removeStaleSources(names) {
  for (const name of readdirSync(SANDBOX, { recursive: true, encoding: 'utf8' })) {
    if (!/^(packages|e2e)\/.*\.ts$/.test(name) || /(^|\/)(node_modules|dist)\//.test(name) || names.has(name)) continue;
    rmSync(path.join(SANDBOX, name));
    rmSync(compiledFrom(path.join(SANDBOX, name)), { force: true });
  }
}

function linkModules() {
  const original = path.join(ROOT, 'node_modules');
  const copy = path.join(SANDBOX, 'node_modules');
  rmSync(copy, { recursive: true, force: true });
  for (const name of moduleNames(original)) {
    const source = path.join(original, name);
    const folder = path.relative(ROOT, realpathSync(source));
    link(/^(packages|e2e)\b/.test(folder) ? path.join(SANDBOX, folder) : source, path.join(copy, name));
  }
  for (const folder of readdirSync(path.join(ROOT, 'packages'))) {
    const own = path.join(ROOT, 'packages', folder, 'node_modules');
    if (existsSync(own)) link(own, path.join(SANDBOX, 'packages', folder, 'node_modules'));
  }
}

/** @param {string} folder a node_modules */
function moduleNames(folder) {
  return readdirSync(folder).flatMap((name) =>
    name.startsWith('@') ? readdirSync(path.join(folder, name)).map((inner) => `${name}/${inner}`) : [name],
  );
}

/** @param {string} source @param {string} target */
function link(source, target) {
  if (!existsSync(source)) return;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(path.dirname(target), { recursive: true });
  symlinkSync(source, target);
}
