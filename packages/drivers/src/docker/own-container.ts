import { readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { isNotFound } from './engine-errors.js';

/** The container that this process runs in, if the same engine created it. */
export interface OwnContainer {
  /** Its id in the engine. */
  readonly id: string;
  /** Translates a path in this container to one of the engine; undefined if nothing that the engine can see is mounted there. */
  engineSideOf(path: string): string | undefined;
}

/** A mount from outside of the container. */
export interface OuterMount {
  readonly source: string;
  readonly destination: string;
}

/**
 * Undefined on the host itself, and in a container of another engine, such as Docker in Docker.
 * @param mountsOf asks the engine; rejects as not found if the engine does not know the container
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

/** The engine mounts its own files into each container, from a directory that is named after the container. */
export function containerIdIn(mountinfo: string): string | undefined {
  return /\/containers\/([0-9a-f]{64})\/(?:hostname|hosts|resolv\.conf) /.exec(mountinfo)?.[1];
}

/**
 * Whether this process is in a container and the socket of the engine is mounted from outside. In that case the limits of this
 * container do not apply to the containers that the engine creates.
 */
export function isEngineOutside(socketPath: string | undefined, mountinfo = ownMountinfo()): boolean {
  return socketPath !== undefined && containerIdIn(mountinfo) !== undefined && isMounted(real(socketPath), mountinfo);
}

/** Whether a path or one of its parent directories is a mount point. */
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
