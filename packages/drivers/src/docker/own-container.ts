import { readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { isNotFound } from './engine-errors.js';

/** The container that this process runs in, when the engine that it makes containers with made that one as well. */
export interface OwnContainer {
  /** As the engine knows it. */
  readonly id: string;
  /** What a path in here is called where the engine runs; undefined: nothing that the engine can see is mounted there. */
  engineSideOf(path: string): string | undefined;
}

/** Where in a container something of its outside is to be seen. */
export interface OuterMount {
  readonly source: string;
  readonly destination: string;
}

/**
 * Undefined on the host itself, and in a container of another engine: of a Docker in Docker, say.
 * @param mountsOf asks the engine; rejects as not found when it does not know the container
 * @throws Error when the engine does not answer
 */
export async function findOwnContainer(
  mountsOf: (containerId: string) => Promise<readonly OuterMount[]>,
  mountinfo = ownMountinfo(),
): Promise<OwnContainer | undefined> {
  const id = containerIdIn(mountinfo);
  if (id === undefined) return undefined;
  try {
    const mounts = await mountsOf(id);
    return { id, engineSideOf: (path) => engineSide(path, mounts) };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The engine mounts files of its own into each container, out of a folder with the name of the container. */
export function containerIdIn(mountinfo: string): string | undefined {
  return /\/containers\/([0-9a-f]{64})\/(?:hostname|hosts|resolv\.conf) /.exec(mountinfo)?.[1];
}

/**
 * Whether this process is in a container and the engine's socket comes from its outside: then what limits this container
 * does not limit those that the engine makes.
 */
export function isEngineOutside(socketPath: string | undefined, mountinfo = ownMountinfo()): boolean {
  return socketPath !== undefined && containerIdIn(mountinfo) !== undefined && isMounted(real(socketPath), mountinfo);
}

/** Whether a path, or a folder on the way to it, is a mount of its own. */
function isMounted(path: string, mountinfo: string): boolean {
  const points = mountinfo.split('\n').map((line) => line.split(' ')[4]);
  return points.some((point) => point !== undefined && point !== '/' && isWithin(path, point));
}

function engineSide(path: string, mounts: readonly OuterMount[]): string | undefined {
  const covering = mounts.filter(({ destination }) => isWithin(path, destination));
  const [closest] = covering.sort((a, b) => b.destination.length - a.destination.length);
  return closest && join(closest.source, relative(closest.destination, path));
}

function isWithin(path: string, folder: string): boolean {
  const below = relative(folder, path);
  return below === '' || !(below === '..' || below.startsWith('../') || isAbsolute(below));
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function ownMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}
