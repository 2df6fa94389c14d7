import { randomBytes } from 'node:crypto';
import { constants, type Dirent, type Stats } from 'node:fs';
import { chmod, type FileHandle, lstat, open, opendir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@fnfleet/core';

/** Linux: opens a directory, even an unreadable one, as a base for the names in it. */
const O_PATH = 0o10000000;
const OPEN = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Entries between two pauses. Each is one short task for the thread pool, and they run one at a time. */
const SLICE = 64;
/** Failures in one directory after which it is given up, so that a million such files are not all tried. */
const MAX_FAILURES = 100;
/** Maximum number of names in memory. */
const MAX_MOVED_UP = 1_000;
const OWNER_RWX = 0o700;

/**
 * Removes a directory that a function could write to, with all its contents. The function may still be changing it.
 *
 * R1  Every step starts from an open directory and follows no link, so nothing outside is ever removed, whatever is
 *     replaced meanwhile. Mounts inside are left alone.
 * R2  Depth is irrelevant: a directory that is not empty is moved to the top before it is emptied, so at most two levels are
 *     open, and no path is longer than one name.
 * R3  It works in slices and pauses as long as it worked, so that a million files do not block other work.
 * R4  An entry that cannot be removed does not prevent the removal of the others.
 *
 * @param signal stops the removal between two entries
 * @throws Error the first failure, or the signal's reason. A missing directory is not a failure.
 */
export async function removeTree(directory: string, signal: AbortSignal): Promise<void> {
  // Other systems cannot name the entries of an open directory.
  if (process.platform !== 'linux') return rm(directory, { recursive: true, force: true });
  await new TreeRemoval(directory, signal).run();
}

class TreeRemoval {
  private readonly prefix = randomBytes(8).toString('hex');
  private moves = 0;
  /** Directories that were moved up in this pass. */
  private readonly movedUp: Buffer[] = [];
  private entries = 0;
  private sliceBegan = systemClock.now();
  /** How many entries were removed or moved up in this pass. */
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
      // Repeat while there is progress: entries that were moved up or created meanwhile may have been missed.
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

  /** Removes the entries of a directory, and passes non-empty subdirectories to `onDirectory`. */
  private async clear(directory: FileHandle, onDirectory: (name: Buffer) => Promise<void>): Promise<void> {
    let failures = 0;
    // Names are bytes and need not be UTF-8. Node's types lack directory entries with such names.
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

  /** R2. Removes a directory at the top with all its levels. */
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
      // Moving a directory to another parent requires write permission on it.
      if (!isDenied(error)) throw error;
      await (await openDirectory(path))?.close();
      await rename(path, target);
    }
    this.progress += 1;
    // Others are found in the next pass.
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
 * Opens a directory, which a function may have created, and grants us access to it if possible, so that it can be emptied.
 * @returns undefined if it does not exist
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
  // If we may not change it, that may not be necessary either.
  if (needsOpening(found)) await chmod(pathOf(handle), OWNER_RWX).catch(() => undefined);
  return handle;
}

function needsOpening({ mode }: Stats): boolean {
  return (mode & OWNER_RWX) !== OWNER_RWX;
}

/** Returns false for a directory that is not empty. */
async function removeOne(path: Buffer, isDirectory: boolean): Promise<boolean> {
  try {
    await (isDirectory ? rmdir(path) : unlink(path));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isDirectory && (code === 'ENOTEMPTY' || code === 'EEXIST')) return false;
    // It was replaced since it was listed, or the file system does not report types in listings.
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

/** Even root needs a capability to remove files of other users from sticky directories. */
function explained(failure = new Error('files are created there during the removal')): Error {
  const { code } = failure as NodeJS.ErrnoException;
  if (code !== 'EPERM' || process.getuid?.() !== 0) return failure;
  return new Error(`${failure.message}: the runner lacks CAP_FOWNER, or the file is immutable`, { cause: failure });
}
