import { readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { isNotFound } from './engine-errors.js';

/** A valid name of a volume. */
const VOLUME_NAME = /^[A-Za-z0-9][\w.-]{0,254}$/;

/**
 * The directory on the engine's machine that FN_IOFS_DOCKER_PATH names: a path is used unchanged, a volume is resolved to its
 * mount point. Mounting a volume by name would expose all of it, and a function must see only its own socket, so functions are
 * given directories below this one.
 * @throws Error that says what is wrong with the name, or the error of the engine
 */
export async function engineDirectory(
  name: string,
  engine: { mountpointOf(volume: string): Promise<string | undefined> },
): Promise<string> {
  if (isAbsolute(name)) return name;
  const setting = `FN_IOFS_DOCKER_PATH=${name}`;
  if (!VOLUME_NAME.test(name)) throw new Error(`${setting} is neither an absolute path nor the name of a volume`);
  let mountpoint: string | undefined;
  try {
    mountpoint = await engine.mountpointOf(name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const remedy = 'Give the name of the volume that is mounted at FN_IOFS_PATH, or the path of a directory';
    throw new Error(`${setting}: the Docker engine has no such volume. ${remedy}`, { cause: error });
  }
  if (mountpoint === undefined || !isAbsolute(mountpoint)) {
    throw new Error(`${setting}: the Docker engine does not report where that volume is. Mount a directory instead`);
  }
  return mountpoint;
}

/** The container that this process runs in, if the same engine created it. */
interface OwnContainer {
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
