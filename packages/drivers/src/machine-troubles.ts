import { access, constants, mkdir, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { MIB } from '@fnfleet/core';
import { type Freezer, FreezerV1, FreezerV2 } from './docker/freezing/cgroup.js';

/** A problem of this machine that an operator should know about. */
export interface Trouble {
  /** Whether calls fail because of it, or soon will. Otherwise they only take longer. */
  readonly grave: boolean;
  readonly what: string;
  /** What to do. */
  readonly remedy: string;
}

/** The free space of a file system. */
interface DiskRoom {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** How many more files can be created. Infinity if the file system has no limit. */
  readonly freeFiles: number;
}

/** Thresholds for the free space of a directory, bytes: below the first a warning is due, below the second calls fail. */
export interface DiskNeed {
  readonly comfortableBytes: number;
  readonly leastBytes: number;
}

/** For images, which are pulled in layers and unpacked there. */
export const ENGINE_NEED: DiskNeed = { comfortableBytes: 2048 * MIB, leastBytes: 256 * MIB };
/** For sockets and links. */
export const SOCKETS_NEED: DiskNeed = { comfortableBytes: 64 * MIB, leastBytes: MIB };
/** For request bodies that are kept for another attempt. */
export const BODIES_NEED: DiskNeed = { comfortableBytes: 1024 * MIB, leastBytes: 64 * MIB };

const LEAST_FILES = 1000;

/** Undefined if there is no such directory here; an engine may be on another machine. */
export async function diskRoom(path: string): Promise<DiskRoom | undefined> {
  try {
    const { bsize, bavail, blocks, files, ffree } = await statfs(path);
    // Some file systems allocate inodes on demand, and report zeros.
    return { freeBytes: bsize * bavail, totalBytes: bsize * blocks, freeFiles: files === 0 ? Infinity : ffree };
  } catch {
    return undefined;
  }
}

/** @param remedy how to free space there */
export function diskTrouble(path: string, room: DiskRoom, need: DiskNeed, remedy: string): Trouble | undefined {
  const { freeBytes, freeFiles } = room;
  if (freeFiles < LEAST_FILES)
    return { grave: true, what: `${path} has room for only ${freeFiles} more files`, remedy };
  if (freeBytes >= need.comfortableBytes) return undefined;
  const left = `${Math.floor(freeBytes / MIB)} MiB left`;
  const grave = freeBytes < need.leastBytes;
  return { grave, what: `${path} is ${grave ? 'full' : 'nearly full'}: ${left}`, remedy };
}

/** Where control groups can be frozen. */
interface FreezerMount {
  readonly version: 1 | 2;
  /** Groups are created in it. */
  readonly directory: string;
}

/** A runner works without it: the engine pauses containers, which takes a hundred times as long. */
const REMEDY =
  'mount the control groups of the host there, writable, and run as root (FN_CGROUP_PATH says where they are); or set ' +
  'FN_FREEZE_THROUGH_ENGINE=1 to accept that';

/** Recognizes a hierarchy by files that exist only at its root. Where both versions are mounted, the engine uses version 1. */
export async function findFreezerMount(root: string): Promise<FreezerMount | undefined> {
  const v1 = join(root, 'freezer');
  if (await may(join(v1, 'cgroup.procs'), constants.F_OK)) return { version: 1, directory: v1 };
  if (await may(join(root, 'cgroup.controllers'), constants.F_OK)) return { version: 2, directory: root };
  return undefined;
}

/** Why containers cannot be frozen through the groups below this root; undefined if they can. Read-only. */
export async function freezerTrouble(root: string): Promise<Trouble | undefined> {
  const mount = await findFreezerMount(root);
  if (mount === undefined) return trouble(`no control groups with a freezer are mounted at ${root}`);
  if (await may(mount.directory, constants.W_OK)) return undefined;
  return trouble(`the control groups at ${mount.directory} are not writable`);
}

/** Like `freezerTrouble`, but tests it by freezing an empty group that it creates and removes. */
export async function tryFreezer(root: string): Promise<Trouble | undefined> {
  const mount = await findFreezerMount(root);
  if (mount === undefined) return freezerTrouble(root);
  const group = join(mount.directory, `fnfleet-check-${process.pid}`);
  try {
    await mkdir(group);
  } catch (error) {
    return trouble(`cannot create a control group in ${mount.directory}: ${(error as Error).message}`);
  }
  try {
    const freezer: Freezer = mount.version === 1 ? new FreezerV1(group) : new FreezerV2(group);
    await freezer.freeze();
    await freezer.thaw();
    return undefined;
  } catch (error) {
    return trouble(`cannot freeze a control group in ${mount.directory}: ${(error as Error).message}`);
  } finally {
    await rmdir(group).catch(() => undefined);
  }
}

function trouble(what: string): Trouble {
  return { grave: false, what: `${what}, so idle containers are paused through the engine`, remedy: REMEDY };
}

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

export const ENGINE_DISK_REMEDY =
  'remove unused images and containers (docker system prune), let the runner do it (FN_IMAGE_CLEAN_*), or give ' +
  'the engine a larger disk';
export const SOCKETS_DISK_REMEDY = 'free space there, or point FN_IOFS_PATH to another file system';

/** Paths to check; undefined if there is nothing to check. */
interface MachinePlaces {
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
