import { type DiskNeed, diskRoom, diskTrouble, ENGINE_NEED, SOCKETS_NEED } from './disk-room.js';
import { freezerTrouble } from './freezer-mount.js';
import type { Trouble } from './trouble.js';

export const ENGINE_DISK_REMEDY =
  'remove unused images and containers (docker system prune), let the runner do it (FN_IMAGE_CLEAN_*), or give ' +
  'the engine a larger disk';
export const SOCKETS_DISK_REMEDY = 'free space there, or point FN_IOFS_PATH to another file system';

/** Paths to check; undefined if there is nothing to check. */
export interface MachinePlaces {
  readonly cgroupRoot: string | undefined;
  readonly engineRoot: string | undefined;
  readonly iofsPath: string;
}

/** Finds problems of this machine that affect a runner. */
export async function machineTroubles({ cgroupRoot, engineRoot, iofsPath }: MachinePlaces): Promise<Trouble[]> {
  const found = await Promise.all([
    cgroupRoot === undefined ? undefined : freezerTrouble(cgroupRoot),
    engineRoot === undefined ? undefined : fullness(engineRoot, ENGINE_NEED, ENGINE_DISK_REMEDY),
    fullness(iofsPath, SOCKETS_NEED, SOCKETS_DISK_REMEDY),
  ]);
  return found.filter((trouble) => trouble !== undefined);
}

async function fullness(path: string, need: DiskNeed, remedy: string): Promise<Trouble | undefined> {
  const room = await diskRoom(path);
  return room && diskTrouble(path, room, need, remedy);
}
