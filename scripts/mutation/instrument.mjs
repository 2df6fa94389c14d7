import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { ROOT } from '../lib/shell.mjs';
import { humanReadableText } from './human-readable-text.mjs';

export const PACKAGES = ['protocol', 'discovery', 'placement', 'agent', 'lb-agent', 'pure-runner'];

/**
 * @typedef {object} Mutant one change of one place
 * @property {string} id stands for it in the instrumented sources; another run may number differently
 * @property {string} key identifies it as long as its line stays the same
 * @property {string} file relative to the repository
 * @property {string} package its folder in `packages`
 * @property {string} place file, line and column
 * @property {string} mutator the rule that made it
 * @property {string} original
 * @property {string} replacement
 */

/** Tests, their helpers, lists of exports and declarations of settings. */
const NOT_MUTATED = /(\.test\.ts|\/test-kit\/.*|\/(fake|test)-[a-z-]+\.ts|\/(index|settings)\.ts)$/;

/** Only warnings of the instrumenter are shown. @type {ConstructorParameters<typeof Instrumenter>[0]} */
const LOGGER = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => true,
  isErrorEnabled: () => true,
  isFatalEnabled: () => true,
  trace() {},
  debug() {},
  info() {},
  warn: console.warn,
  error: console.error,
  fatal: console.error,
};

/**
 * Puts all mutants of the product's files into their sources at once; an environment variable activates one. The instrumented
 * sources lack types, so they compile only without type checks.
 */
export async function instrument() {
  const names = PACKAGES.flatMap((name) => globSync(`packages/${name}/src/**/*.ts`, { cwd: ROOT }))
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => !NOT_MUTATED.test(name))
    .sort();
  const sources = new Map(names.map((name) => [name, readFileSync(path.join(ROOT, name), 'utf8')]));
  const instrumenter = new Instrumenter(LOGGER);
  const { files, mutants } = await instrumenter.instrument(
    [...sources].map(([name, content]) => ({ name, mutate: true, content })),
    { plugins: null, excludedMutations: [], ignorers: [humanReadableText] },
  );
  return {
    files,
    mutants: mutants.filter(({ status }) => status === undefined).map((mutant) => described(mutant, sources)),
  };
}

/**
 * @param {import('@stryker-mutator/api/core').Mutant} mutant
 * @param {ReadonlyMap<string, string>} sources by file
 * @returns {Mutant}
 */
function described({ id, fileName, location, mutatorName, replacement }, sources) {
  const [, packageName = ''] = fileName.split('/');
  const place = `${fileName}:${location.start.line + 1}:${location.start.column + 1}`;
  return {
    id,
    key: `${place} ${mutatorName} ${replacement}`,
    file: fileName,
    package: packageName,
    place,
    mutator: mutatorName,
    original: excerpt(sources.get(fileName) ?? '', location),
    replacement,
  };
}

/** @param {string} source @param {import('@stryker-mutator/api/core').Location} location */
function excerpt(source, { start, end }) {
  const lines = source.split('\n').slice(start.line, end.line + 1);
  // The end first: a place within one line is cut on both sides.
  return lines
    .map((line, at) => (at === lines.length - 1 ? line.slice(0, end.column) : line))
    .map((line, at) => (at === 0 ? line.slice(start.column) : line))
    .join('\n');
}

/**
 * A sample whose order is random but decided by the seed alone: by a hash of the seed and the key of each mutant.
 * @param {readonly Mutant[]} mutants
 * @param {string} seed
 * @param {number} size
 */
export function sampleOf(mutants, seed, size) {
  const rank = (/** @type {Mutant} */ { key }) => createHash('sha256').update(`${seed} ${key}`).digest('hex');
  return mutants
    .map((mutant) => ({ mutant, rank: rank(mutant) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, size)
    .map(({ mutant }) => mutant);
}
