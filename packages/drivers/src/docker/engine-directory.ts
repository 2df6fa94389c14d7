import { isAbsolute } from 'node:path';
import type { Engine } from './engine.js';
import { isNotFound } from './engine-errors.js';

/** A valid name of a volume. */
const VOLUME_NAME = /^[A-Za-z0-9][\w.-]{0,254}$/;

/**
 * The directory on the engine's machine that FN_IOFS_DOCKER_PATH names: a path is used unchanged, a volume is resolved to its
 * mount point. Mounting a volume by name would expose all of it, and a function must see only its own socket, so functions are
 * given directories below this one.
 * @throws Error that says what is wrong with the name, or the error of the engine
 */
export async function engineDirectory(name: string, engine: Pick<Engine, 'mountpointOf'>): Promise<string> {
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
