import { readFileSync } from 'node:fs';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { publicReferences } from './manifest-faults.mjs';
import { referencesOf } from './references.mjs';

const ALWAYS = ['LICENSE', 'package.json'];

/**
 * What is wrong with a packed package.
 * @param {Awaited<ReturnType<typeof import('./pack.mjs').pack>>[number]} packed
 * @returns {Promise<string[]>}
 */
export async function archiveFaults({ pkg, tarball, files }) {
  const [types, lint] = await Promise.all([typeFaults(tarball), lintFaults(tarball, pkg)]);
  const missing = ALWAYS.filter((name) => !files.has(name)).map((name) => `has no ${name}`);
  return [...missing, ...mapFaults(pkg, files), ...needlessFiles(pkg, files), ...lint, ...types].map(
    (fault) => `${pkg.at}: ${fault}`,
  );
}

/**
 * Whether compilers find the types that belong to what Node loads, with `require` and with `import`. The resolution of Node 10
 * knows no entry points but the first.
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

async function lintFaults(tarball, { manifest }) {
  const { buffer, byteOffset, byteLength } = tarball;
  const { messages } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
    strict: true,
  });
  return messages.map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`);
}

/** A debugger and an editor that follow a map come to a source that is there. */
function mapFaults({ folder }, files) {
  return [...files]
    .filter((name) => name.endsWith('.map'))
    .flatMap((map) => {
      const { sources } = JSON.parse(readFileSync(path.join(folder, map), 'utf8'));
      return sources
        .map((source) => path.join(path.dirname(map), source))
        .filter((source) => !files.has(source))
        .map((source) => `${map} leads to ${source}, which is not packed`);
    });
}

/** Tests and what only they use: nobody who installs the package can come to it. */
function needlessFiles(pkg, files) {
  const { running } = publicReferences(pkg);
  const entries = [...running.files].map((name) => name.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts'));
  const used = referencesOf(pkg.folder, entries).files;
  return [...files]
    .filter((name) => name.startsWith('src/') && !used.has(name))
    .map((name) => `${name} is packed, and no entry point leads to it`);
}
