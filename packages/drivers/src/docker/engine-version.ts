/** The first engine with everything that a container is made with. */
export const REQUIRED_VERSION = '17.10.0-ce';

const VERSION = /^(\d+)\.(\d+)\.(\d+)(?:-([^+]+))?(?:\+.*)?$/;

/** @throws Error when the engine is older than required, or its version cannot be read */
export function checkEngineVersion(found: string, required = REQUIRED_VERSION): void {
  if (compareVersions(found, required) < 0) {
    throw new Error(`docker version is too old. Required: ${required} Found: ${found}`);
  }
}

/** By number, then by what follows the dash; a version with nothing there comes after those with something. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  for (const [index, number] of left.numbers.entries()) {
    const difference = number - (right.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.suffix === right.suffix) return 0;
  if (left.suffix === undefined) return 1;
  if (right.suffix === undefined) return -1;
  return left.suffix < right.suffix ? -1 : 1;
}

function parse(version: string): { numbers: number[]; suffix: string | undefined } {
  const [, major, minor, patch, suffix] = VERSION.exec(version) ?? [];
  if (major === undefined) throw new Error(`cannot read the docker version ${JSON.stringify(version)}`);
  return { numbers: [major, minor, patch].map(Number), suffix };
}
