import { type SettingsOf, systemClock } from '@fnfleet/core';
import { type dockerSettings, limitsOf } from './docker-settings.js';
import { Engine, type EngineInfo, type EngineVersion } from './engine.js';
import { engineAddress } from './engine-address.js';

/** Facts about an engine for operators. */
export interface EngineReport {
  readonly address: string;
  readonly product: EngineVersion['product'];
  readonly version: string;
  /** The API version, such as `1.41`. */
  readonly apiVersion: string;
  readonly cgroupVersion: string;
  readonly storageDriver: string;
  /** Where it stores images and containers, on its own machine. */
  readonly storageRoot: string | undefined;
  /** Whether its socket, and therefore its storage, is on this machine. */
  readonly isLocal: boolean;
}

/**
 * Inspects the configured engine, as a runner does when it starts.
 * @throws Error that says what is wrong and what to do
 */
export async function inspectEngine(settings: SettingsOf<typeof dockerSettings>): Promise<EngineReport> {
  const address = engineAddress(settings);
  const engine = new Engine({ address, limits: limitsOf(settings), clock: systemClock });
  try {
    const { version, info } = await probeEngine(engine, address.text);
    return {
      address: address.text,
      product: version.product,
      version: version.engine,
      apiVersion: version.api,
      cgroupVersion: info.CgroupVersion ?? '1',
      storageDriver: info.Driver ?? 'unknown',
      storageRoot: info.DockerRootDir,
      isLocal: address.options.socketPath !== undefined,
    };
  } finally {
    engine.close();
  }
}

/**
 * Checks that an engine can be reached and is recent enough.
 * @param address for messages
 * @throws Error that says what to do
 */
export async function probeEngine(
  engine: Pick<Engine, 'ping' | 'version' | 'info'>,
  address: string,
): Promise<{ readonly version: EngineVersion; readonly info: EngineInfo }> {
  await engine.ping().catch((cause) => {
    throw new Error(
      `cannot reach the Docker engine at ${address}: ${(cause as Error).message}. Start it, let this user ` +
        'use it, or point DOCKER_HOST to it; FN_DRIVER=process runs functions without Docker.',
      { cause },
    );
  });
  const version = await engine.version();
  try {
    checkEngineVersion(version);
  } catch (cause) {
    const what = (cause as Error).message;
    throw new Error(`${what}. Update the Docker engine at ${address}, or point DOCKER_HOST to a newer one`, { cause });
  }
  return { version, info: await engine.info() };
}

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
