import { closeSync, constants, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { KIB, MIB } from './units.js';

/** Far more than a setting, a certificate or a list of runners needs. */
const MAX_BYTES = MIB;
/** Opening a pipe without a writer would block forever. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads a file that an operator has named. It may be anything: a pipe, a device, a folder, or far too long.
 * @throws Error that says what is wrong with it
 */
export function readSmallFileSync(path: string, maxBytes = MAX_BYTES): string {
  const descriptor = openSync(path, FLAGS);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw notAFile();
    let buffer = Buffer.alloc(firstLength(stats.size, maxBytes));
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += read;
      if (length > maxBytes) throw tooLong(maxBytes);
      if (read === 0) return buffer.toString('utf8', 0, length);
      if (length === buffer.length) buffer = grown(buffer, maxBytes);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The same without blocking the process on the disk. */
export async function readSmallFile(path: string, maxBytes = MAX_BYTES): Promise<string> {
  const file = await open(path, FLAGS);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw notAFile();
    let buffer = Buffer.alloc(firstLength(stats.size, maxBytes));
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (length > maxBytes) throw tooLong(maxBytes);
      if (bytesRead === 0) return buffer.toString('utf8', 0, length);
      if (length === buffer.length) buffer = grown(buffer, maxBytes);
    }
  } finally {
    await file.close();
  }
}

/** One byte more than the reported length, to notice the end. Files in /proc report zero, and any file may grow. */
function firstLength(reported: number, maxBytes: number): number {
  return Math.min(Math.max(reported, 4 * KIB), maxBytes) + 1;
}

function grown(buffer: Buffer, maxBytes: number): Buffer<ArrayBuffer> {
  const larger = Buffer.alloc(Math.min(buffer.length * 2, maxBytes + 1));
  buffer.copy(larger);
  return larger;
}

function notAFile(): Error {
  return new Error('it is not a file, but a folder, a pipe or a device');
}

function tooLong(maxBytes: number): Error {
  return new Error(`it has more than ${maxBytes} bytes`);
}

export interface DirectoryWatchOptions {
  /** Names of the files to watch. */
  readonly names: readonly string[];
  /** Called when one of them may have changed. A file that is written in place causes several calls. */
  readonly onEvent: () => void;
  /** Called when watching fails, for example because the machine limits the number of watches; once until it works again. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Reports changes to files of one directory. It watches the directory and not the files, because a file that is replaced by a
 * rename is another file, and Kubernetes renames the directory it mounts (`..data`). Some file systems do not report changes,
 * so a caller that must not miss one also polls.
 */
export class DirectoryWatch {
  private watched: { readonly watcher: FSWatcher; readonly inode: number } | undefined;
  private failed = false;
  private closed = false;
  private readonly names: ReadonlySet<string>;

  constructor(
    private readonly directory: string,
    private readonly options: DirectoryWatchOptions,
  ) {
    // The last case: the directory itself was moved.
    this.names = new Set([...options.names, '..data', basename(directory)]);
  }

  /** Watches one file. */
  static ofFile(path: string, options: Omit<DirectoryWatchOptions, 'names'>): DirectoryWatch {
    return new DirectoryWatch(dirname(path), { ...options, names: [basename(path)] });
  }

  /**
   * Makes sure that the directory with this name is watched, even after it was replaced.
   * @throws if it does not exist
   */
  async renew(): Promise<void> {
    const { ino: inode } = await stat(this.directory);
    if (this.closed || this.watched?.inode === inode) return;
    this.unwatch();
    try {
      const watcher = watch(this.directory, { persistent: false }, (_event, name) => {
        if (name === null || this.names.has(name)) this.options.onEvent();
      });
      watcher.on('error', () => this.unwatch());
      this.watched = { watcher, inode };
      this.failed = false;
    } catch (error) {
      if (!this.failed) this.options.onFailure(error);
      this.failed = true;
    }
  }

  /** Idempotent. */
  close(): void {
    this.closed = true;
    this.unwatch();
  }

  private unwatch(): void {
    this.watched?.watcher.close();
    this.watched = undefined;
  }
}
