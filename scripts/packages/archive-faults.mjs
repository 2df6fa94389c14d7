import { readFileSync } from 'node:fs';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { publicReferences, referencesOf } from './references.mjs';

/** @typedef {import('../lib/workspace.mjs').WorkspacePackage} WorkspacePackage */
/** @typedef {import('./pack.mjs').PackedPackage} PackedPackage */

const ALWAYS = ['LICENSE', 'package.json'];

/**
 * Checks the archive of a package: its files, publint, and "Are the types wrong?".
 * @param {PackedPackage} packed
 * @returns {Promise<string[]>} one line for each fault
 */
export async function archiveFaults({ pkg, tarball, files }) {
  const [types, lint] = await Promise.all([typeFaults(tarball), lintFaults(tarball, pkg)]);
  const missing = ALWAYS.filter((name) => !files.has(name)).map((name) => `has no ${name}`);
  return [...missing, ...mapFaults(pkg, files), ...needlessFiles(pkg, files), ...lint, ...types].map(
    (fault) => `${pkg.at}: ${fault}`,
  );
}

/**
 * Checks that `require` and `import` resolve to matching types. Node 10's algorithm does not resolve subpath exports, so those are
 * exempt.
 * @param {PackedPackage['tarball']} tarball
 */
async function typeFaults(tarball) {
  const result = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  if (!result.types) return ['has no types'];
  return result.problems
    .filter(
      (problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10' && problem.entrypoint !== '.'),
    )
    .map((problem) => `attw: ${JSON.stringify({ ...problem, trace: undefined })}`);
}

/** @param {PackedPackage['tarball']} tarball @param {WorkspacePackage} pkg */
async function lintFaults(tarball, { manifest }) {
  const { buffer, byteOffset, byteLength } = tarball;
  const { messages } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
    strict: true,
  });
  return messages.map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`);
}

/**
 * Debuggers and editors follow source maps and declaration maps, so the archive has to contain the sources.
 * @param {WorkspacePackage} pkg
 * @param {ReadonlySet<string>} files
 */
function mapFaults({ folder }, files) {
  return [...files]
    .filter((name) => name.endsWith('.map'))
    .flatMap((map) => {
      /** @type {{ sources: string[] }} */
      const { sources } = JSON.parse(readFileSync(path.join(folder, map), 'utf8'));
      return sources
        .map((source) => path.join(path.dirname(map), source))
        .filter((source) => !files.has(source))
        .map((source) => `${map} refers to ${source}, which is not in the archive`);
    });
}

/**
 * Finds sources that no entry point reaches, such as tests and their helpers.
 * @param {WorkspacePackage} pkg
 * @param {ReadonlySet<string>} files
 */
function needlessFiles(pkg, files) {
  const { running } = publicReferences(pkg);
  const entries = [...running.files].map((name) => name.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts'));
  const used = referencesOf(pkg.folder, entries).files;
  return [...files]
    .filter((name) => name.startsWith('src/') && !used.has(name))
    .map((name) => `${name} is in the archive, but no entry point reaches it`);
}
