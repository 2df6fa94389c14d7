import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FnError } from '@fnfleet/core';

/** The name a function has to give its socket, in the directory it shares with the runner. */
export const LISTENER_NAME = 'lsnr.sock';

/**
 * Looks at what a function offers as its socket. A function may link to a socket beside it, and nowhere else: the
 * runner follows the link in its own file system, where a path means something other than in the container.
 *
 * @returns false when nothing is there yet
 * @throws FnError `containerInitFailed`, with the finding as cause
 */
export async function checkListenerFile(directory: string): Promise<boolean> {
  const path = join(directory, LISTENER_NAME);
  const found = await lstat(path).catch((error) => {
    if (isAbsent(error)) return undefined;
    throw unacceptable(`error statting unix socket link file ${path}`, error);
  });
  if (found === undefined) return false;
  if (found.isSymbolicLink()) await checkLink(directory, path);
  const target = await stat(path).catch((error) => {
    throw unacceptable(`unable to stat unix socket file ${path}`, error);
  });
  if (!target.isSocket()) throw unacceptable('listener file is not a socket');
  return true;
}

async function checkLink(directory: string, path: string): Promise<void> {
  const text = await readlink(path).catch((error) => {
    throw unacceptable(`error reading unix socket symlink destination ${path}`, error);
  });
  const name = text.startsWith('./') ? text.slice(2) : text;
  if (name !== basename(name)) throw leadsOut();
  // The link may lead to another link: what counts is where the last one ends.
  const end = await realpath(path).catch((error) => {
    throw unacceptable(`unable to stat unix socket file ${path}`, error);
  });
  if (dirname(end) !== (await realpath(directory))) throw leadsOut();
}

function leadsOut(): FnError {
  return unacceptable('invalid unix socket symlink, symlinks must be relative within the unix socket directory');
}

function unacceptable(finding: string, cause?: unknown): FnError {
  return new FnError('containerInitFailed', { cause: new Error(finding, { cause }) });
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
