import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { ROOT } from '../lib/shell.mjs';
import { humanReadableText } from './human-readable-text.mjs';

export const PACKAGES = ['protocol', 'discovery', 'placement', 'agent', 'lb-agent', 'pure-runner'];

/** Tests, their helpers, lists of exports and declarations of settings. */
const NOT_MUTATED = /(\.test\.ts|\/test-kit\/.*|\/(fake|test)-[a-z-]+\.ts|\/(index|settings|log-settings)\.ts)$/;

/**
 * Every mutant of the product's files, all placed in their sources at once: the environment says which one is active.
 * Types are gone from what comes back, so it compiles without type checks only.
 *
 * @returns the files as instrumented, and the mutants; `key` identifies a mutant as long as its line stays the same.
 */
export async function instrument() {
  const names = PACKAGES.flatMap((name) => globSync(`packages/${name}/src/**/*.ts`, { cwd: ROOT }))
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => !NOT_MUTATED.test(name))
    .sort();
  const sources = new Map(names.map((name) => [name, readFileSync(path.join(ROOT, name), 'utf8')]));
  // It asks no more of a logger than this.
  const logger = /** @type {never} */ ({ debug() {}, info() {}, isDebugEnabled: () => false, warn: console.warn });
  const instrumenter = new Instrumenter(logger);
  const { files, mutants } = await instrumenter.instrument(
    [...sources].map(([name, content]) => ({ name, mutate: true, content })),
    { plugins: null, excludedMutations: [], ignorers: [humanReadableText] },
  );
  return {
    files,
    mutants: mutants.filter(({ status }) => status === undefined).map((mutant) => describe(mutant, sources)),
  };
}

function describe({ id, fileName, location, mutatorName, replacement }, sources) {
  const original = excerpt(sources.get(fileName), location);
  const place = `${fileName}:${location.start.line + 1}:${location.start.column + 1}`;
  const mutant = { id, file: fileName, package: fileName.split('/')[1], place, mutator: mutatorName, original };
  return { ...mutant, replacement, key: `${place} ${mutatorName} ${replacement}` };
}

function excerpt(source, { start, end }) {
  const lines = source.split('\n').slice(start.line, end.line + 1);
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column);
  lines[0] = lines[0].slice(start.column);
  return lines.join('\n');
}

/** A sample in random order that the seed alone decides: mutants in the order of a hash of the seed and their key. */
export function sampleOf(mutants, seed, size) {
  const rank = ({ key }) => createHash('sha256').update(`${seed} ${key}`).digest('hex');
  return mutants
    .map((mutant) => ({ mutant, rank: rank(mutant) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, size)
    .map(({ mutant }) => mutant);
}
