import type { EngineVersion } from './engine-answers.js';

/** The first Docker engine that has every feature we use, and the oldest Podman that was tested. */
const REQUIRED = { docker: '17.10.0-ce', podman: '4.3.1' } as const;

const VERSION = /^(\d+)\.(\d+)\.(\d+)(?:-([^+]+))?(?:\+.*)?$/;

/** @throws Error when the engine is older than required, or its version cannot be read */
export function checkEngineVersion({ product, engine }: Pick<EngineVersion, 'product' | 'engine'>): void {
  const required = REQUIRED[product];
  if (compareVersions(parse(engine, product), parse(required, product)) < 0) {
    throw new Error(`${product} version is too old. Required: ${required} Found: ${engine}`);
  }
}

interface Version {
  readonly numbers: readonly number[];
  readonly suffix: string | undefined;
}

/** Compares the numbers, then the suffixes. A version without a suffix is newer than one with a suffix. */
function compareVersions(left: Version, right: Version): number {
  for (const [index, number] of left.numbers.entries()) {
    const difference = number - (right.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.suffix === right.suffix) return 0;
  if (left.suffix === undefined) return 1;
  if (right.suffix === undefined) return -1;
  return left.suffix < right.suffix ? -1 : 1;
}

function parse(version: string, product: string): Version {
  const [, major, minor, patch, suffix] = VERSION.exec(version) ?? [];
  if (major === undefined) throw new Error(`cannot read the ${product} version ${JSON.stringify(version)}`);
  return { numbers: [major, minor, patch].map(Number), suffix };
}
