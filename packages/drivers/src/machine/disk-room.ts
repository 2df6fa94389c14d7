import { statfs } from 'node:fs/promises';
import { MIB } from '@fnfleet/core';
import type { Trouble } from './trouble.js';

/** The free space of a file system. */
export interface DiskRoom {
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
