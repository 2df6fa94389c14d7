import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { FnError } from '@fnfleet/core';

/** The name of the function's socket in the directory that it shares with the runner. */
export const LISTENER_NAME = 'lsnr.sock';

/** FDKs use one. */
const MAX_LINKS = 8;
/** Linux: opens a directory entry itself, be it a link or a socket, without reading or following it. */
const O_PATH = 0o10000000;
const HAS_O_PATH = process.platform === 'linux';

/** A function's socket that was checked and accepted. */
export interface Listener {
  /** Valid until `release`. Connecting to it reaches the checked socket, even if its name has been reused. */
  readonly address: string;
  /** Idempotent. */
  release(): void;
}

/**
 * Checks what a function offers as its socket.
 *
 * L1  A function may link only to a socket in the same directory: the runner would follow any other link in its own file
 *     system, where a path has another meaning than in the container.
 * L2  Links are read here, one by one, and never followed by the system. Each name is one entry of the directory, so
 *     replacing an entry between two steps cannot lead out of it.
 * L3  The connection reaches the very socket that was checked: it is held by a descriptor (on Linux; elsewhere by its path).
 *
 * It does not block, and takes less than a tenth of a millisecond.
 *
 * @param directory a path that the function cannot change
 * @returns undefined if there is nothing
 * @throws FnError `containerInitFailed`, with the finding as cause
 */
export function findListener(directory: string): Listener | undefined {
  let entry = openEntry(directory, LISTENER_NAME);
  for (let links = 0; entry?.isLink; links += 1) {
    entry.release();
    if (links === MAX_LINKS) throw unacceptable('too many unix socket symlinks');
    const name = linkedName(entry.path);
    entry = openEntry(directory, name);
    if (entry === undefined) throw unacceptable(`unable to stat unix socket file ${join(directory, name)}`);
  }
  if (entry === undefined || entry.isSocket) return entry;
  entry.release();
  throw unacceptable('listener file is not a socket');
}

interface Entry extends Listener {
  readonly path: string;
  readonly isLink: boolean;
  readonly isSocket: boolean;
}

function openEntry(directory: string, name: string): Entry | undefined {
  const path = join(directory, name);
  try {
    return HAS_O_PATH ? entryByDescriptor(path) : entryByPath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unacceptable(`error statting unix socket link file ${path}`, error);
  }
}

function entryByDescriptor(path: string): Entry {
  const descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
  let open = true;
  const release = () => {
    if (open) closeSync(descriptor);
    open = false;
  };
  try {
    return { path, address: `/proc/self/fd/${descriptor}`, release, ...kindOf(fstatSync(descriptor)) };
  } catch (error) {
    release();
    throw error;
  }
}

function entryByPath(path: string): Entry {
  return { path, address: path, release: () => undefined, ...kindOf(lstatSync(path)) };
}

function kindOf(stats: Stats) {
  return { isLink: stats.isSymbolicLink(), isSocket: stats.isSocket() };
}

/** The name that a link points to, in the directory of the link. */
function linkedName(path: string): string {
  const text = readLink(path);
  const name = text.startsWith('./') ? text.slice(2) : text;
  if (name === '' || name === '.' || name === '..' || name !== basename(name)) {
    throw unacceptable('invalid unix socket symlink, symlinks must be relative within the unix socket directory');
  }
  return name;
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    throw unacceptable(`error reading unix socket symlink destination ${path}`, error);
  }
}

function unacceptable(finding: string, cause?: unknown): FnError {
  return new FnError('containerInitFailed', { cause: new Error(finding, { cause }) });
}
