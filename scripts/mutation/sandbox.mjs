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
 * A copy of the repository whose product files are the instrumented ones, compiled. Workspaces are linked to the copy,
 * all other packages to the original. What the last run left of it is used again, so that only changes are compiled.
 *
 * @returns fingerprints: of the packages in it, of all but their tests, and of each compiled test file
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
  const tests = new Map();
  for (const name of names) {
    const content = Buffer.from(replaced.get(name) ?? readFileSync(path.join(ROOT, name)));
    const target = path.join(SANDBOX, name);
    if (name.startsWith('packages/')) {
      const hash = createHash('sha256').update(`${name} ${content.length} `).update(content).digest('hex');
      all.update(hash);
      if (!isTest(name)) product.update(hash);
      else if (PACKAGES.includes(name.split('/')[1])) tests.set(compiledFrom(target), hash);
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

function isTest(name) {
  return name.endsWith('.test.ts');
}

function compiledFrom(source) {
  return source.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
}

/** A test that was renamed or removed must not run again from what was compiled of it. */
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

function moduleNames(folder) {
  return readdirSync(folder).flatMap((name) =>
    name.startsWith('@') ? readdirSync(path.join(folder, name)).map((inner) => `${name}/${inner}`) : [name],
  );
}

function link(source, target) {
  if (!existsSync(source)) return;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(path.dirname(target), { recursive: true });
  symlinkSync(source, target);
}
