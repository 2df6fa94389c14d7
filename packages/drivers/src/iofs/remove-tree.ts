import { constants } from 'node:fs';
import { open, readdir, rm, rmdir, unlink } from 'node:fs/promises';

/** Deeper than anything an FDK makes. Each level holds a descriptor. */
const MAX_DEPTH = 32;

/**
 * Removes a directory that a function could write to, with all that is in it. The function may be at work in there: each
 * step starts from an open directory and follows no link, so nothing outside is ever removed, whatever is swapped.
 *
 * @throws Error when something cannot be removed; a directory that is not there is fine
 */
export async function removeTree(directory: string): Promise<void> {
  // Elsewhere there is no way to name what is in an open directory.
  if (process.platform !== 'linux') return rm(directory, { recursive: true, force: true });
  try {
    await removeAt(directory, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function removeAt(path: string, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) throw new Error(`directories nested more than ${MAX_DEPTH} deep`);
  const handle = await open(path, constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const here = `/proc/self/fd/${handle.fd}`;
    for (const entry of await readdir(here, { withFileTypes: true })) {
      const child = `${here}/${entry.name}`;
      await (entry.isDirectory() ? removeAt(child, depth + 1) : unlink(child));
    }
  } finally {
    await handle.close();
  }
  await rmdir(path);
}
