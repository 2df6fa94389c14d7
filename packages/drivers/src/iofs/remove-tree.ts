import { randomBytes } from 'node:crypto';
import { constants, type Dirent, type Stats } from 'node:fs';
import { chmod, type FileHandle, lstat, open, opendir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@fnfleet/core';

/** Linux: a handle on a directory that need not be readable, good for naming what is in it. */
const O_PATH = 0o10000000;
const OPEN = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Entries between two pauses. Each is one short task for the thread pool, one at a time. */
const SLICE = 64;
/** What cannot be removed in one directory before it is given up: a million such files are not all tried. */
const MAX_FAILURES = 100;
/** Names that are kept in mind. */
const MAX_MOVED_UP = 1_000;
const OWNER_RWX = 0o700;

/**
 * Removes a directory that a function could write to, with all that is in it. The function may still be at work in there.
 *
 * R1  Every step starts from an open directory and follows no link, so nothing outside is ever removed, whatever is
 *     swapped. What is mounted in there is left alone.
 * R2  Depth costs nothing: a directory that is not empty is moved up to the top before it is emptied, so there are never
 *     more than two open levels, and no path is longer than one name.
 * R3  It works in slices and rests as long as it worked, so that a million files hold up nobody else.
 * R4  One thing that cannot be removed does not keep the rest.
 *
 * @param signal gives up between two entries; what has been removed by then stays removed
 * @throws Error the first thing that could not be removed, or the signal's reason; a directory that is not there is fine
 */
export async function removeTree(directory: string, signal: AbortSignal): Promise<void> {
  // Elsewhere there is no way to name what is in an open directory.
  if (process.platform !== 'linux') return rm(directory, { recursive: true, force: true });
  await new TreeRemoval(directory, signal).run();
}

class TreeRemoval {
  private readonly prefix = randomBytes(8).toString('hex');
  private moves = 0;
  /** Directories that were moved up just now. */
  private readonly movedUp: Buffer[] = [];
  private entries = 0;
  private sliceBegan = systemClock.now();
  /** Anything that was removed or moved up in this pass. */
  private progress = 0;
  private failure: Error | undefined;

  constructor(
    private readonly directory: string,
    private readonly signal: AbortSignal,
  ) {}

  async run(): Promise<void> {
    const top = await openDirectory(this.directory);
    if (top === undefined) return;
    try {
      // Once more as long as that changes something: what was moved up, or made meanwhile, may not have been seen.
      do {
        this.progress = 0;
        this.failure = undefined;
        await this.clear(top, (name) => this.removeChain(top, name));
        if (this.failure === undefined && (await this.removeTop())) return;
      } while (this.progress > 0);
    } finally {
      await top.close();
    }
    throw explained(this.failure);
  }

  /** False when it is not empty. */
  private async removeTop(): Promise<boolean> {
    try {
      return await removeOne(Buffer.from(this.directory), true);
    } catch (error) {
      if (isMissing(error)) return true;
      this.failure = error as Error;
      return false;
    }
  }

  /** Removes what is in a directory, and hands on those directories in it that are not empty. */
  private async clear(directory: FileHandle, onDirectory: (name: Buffer) => Promise<void>): Promise<void> {
    let failures = 0;
    // Names are bytes, which need not be UTF-8. Node's types do not know of directory entries with such names.
    const entries = await opendir(pathOf(directory), { encoding: 'buffer' as BufferEncoding, bufferSize: SLICE });
    for await (const entry of entries as AsyncIterable<Dirent<Buffer>> | AsyncIterable<Dirent>) {
      await this.pace();
      const name = entry.name as Buffer;
      try {
        if (await removeOne(childOf(directory, name), entry.isDirectory())) this.progress += 1;
        else await onDirectory(name);
      } catch (error) {
        if (isMissing(error)) continue;
        this.failure ??= error as Error;
        failures += 1;
        if (failures === MAX_FAILURES) return;
      }
    }
  }

  /** Removes a directory of the top, and what it has in it on any level. R2 */
  private async removeChain(top: FileHandle, first: Buffer): Promise<void> {
    for (let name: Buffer | undefined = first; name !== undefined; name = this.movedUp.pop()) {
      await this.removeDirectory(top, name);
    }
  }

  private async removeDirectory(top: FileHandle, name: Buffer): Promise<void> {
    const path = childOf(top, name);
    const directory = await openDirectory(path);
    if (directory === undefined) return;
    try {
      await this.clear(directory, (child) => this.moveUp(childOf(directory, child), top));
    } finally {
      await directory.close();
    }
    await rmdir(path);
    this.progress += 1;
  }

  private async moveUp(path: Buffer, top: FileHandle): Promise<void> {
    this.moves += 1;
    const name = Buffer.from(`${this.prefix}-${this.moves}`);
    const target = childOf(top, name);
    try {
      await rename(path, target);
    } catch (error) {
      // A directory is written to when it moves to another parent.
      if (!isDenied(error)) throw error;
      await (await openDirectory(path))?.close();
      await rename(path, target);
    }
    this.progress += 1;
    // The others are found in the next pass.
    if (this.movedUp.length < MAX_MOVED_UP) this.movedUp.push(name);
  }

  /** R3 */
  private async pace(): Promise<void> {
    this.signal.throwIfAborted();
    this.entries += 1;
    if (this.entries % SLICE !== 0) return;
    await sleep(systemClock.now() - this.sliceBegan, undefined, { signal: this.signal }).catch(() => undefined);
    this.signal.throwIfAborted();
    this.sliceBegan = systemClock.now();
  }
}

/**
 * Opens a directory, which may be what a function put there, as far as possible so that it can be emptied.
 * @returns undefined when there is nothing
 */
async function openDirectory(path: string | Buffer): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, OPEN);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const found = await handle.stat();
  // Where that is not ours to do, it may not be necessary either.
  if (needsOpening(found)) await chmod(pathOf(handle), OWNER_RWX).catch(() => undefined);
  return handle;
}

function needsOpening({ mode }: Stats): boolean {
  return (mode & OWNER_RWX) !== OWNER_RWX;
}

/** False: a directory that is not empty. */
async function removeOne(path: Buffer, isDirectory: boolean): Promise<boolean> {
  try {
    await (isDirectory ? rmdir(path) : unlink(path));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isDirectory && (code === 'ENOTEMPTY' || code === 'EEXIST')) return false;
    // Swapped since it was listed, or a file system that does not say in its lists what is what.
    if (code !== 'ENOTDIR' && code !== 'EISDIR') throw error;
    if ((await lstat(path)).isDirectory() === isDirectory) throw error;
    return removeOne(path, !isDirectory);
  }
}

function pathOf(directory: FileHandle): string {
  return `/proc/self/fd/${directory.fd}`;
}

function childOf(directory: FileHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${pathOf(directory)}/`), name]);
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Whoever may write anywhere still needs a capability to remove files of others from sticky directories. */
function explained(failure = new Error('files are created there during the removal')): Error {
  const { code } = failure as NodeJS.ErrnoException;
  if (code !== 'EPERM' || process.getuid?.() !== 0) return failure;
  return new Error(`${failure.message}: the runner lacks CAP_FOWNER, or the file is immutable`, { cause: failure });
}
