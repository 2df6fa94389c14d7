import { once } from 'node:events';
import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { isDeserted } from '@fnfleet/core';
import { formatIdentity, ownIdentity, parseIdentity } from '../runner-identity.js';

export const HOME_PREFIX = 'fnfleet';
const OWNER = 'owner';
const ALIVE = 'alive';
/** Files that identify the owner of a home. They are removed last. */
export const MARKS: readonly string[] = [OWNER, ALIVE];

/**
 * Marks the owner of a home in a way that outlives it: as long as the process lives, a socket in the home accepts connections;
 * when the process ends, for whatever reason, the kernel closes the socket. Unlike a process id, that also works for a runner
 * in another container. A file records the machine and the boot for which the socket is meaningful.
 */
export class HomeOwnership {
  private constructor(private readonly server: Server) {}

  /** @throws Error */
  static async take(home: string): Promise<HomeOwnership> {
    const server = createServer((visitor) => visitor.destroy());
    server.listen(join(home, ALIVE));
    await once(server, 'listening');
    // The listener must not keep the process alive.
    server.unref();
    try {
      // Written last: where this file exists, the socket does, too.
      await writeFile(join(home, OWNER), formatIdentity(ownIdentity()));
    } catch (error) {
      server.close();
      throw error;
    }
    return new HomeOwnership(server);
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Directories whose name is that of a home. Empty if the parent cannot be read. */
export async function listHomes(parent: string): Promise<string[]> {
  const names = await readdir(parent).catch(() => []);
  const shape = new RegExp(`^${HOME_PREFIX}\\w{6}$`);
  return names.filter((name) => shape.test(name)).map((name) => join(parent, name));
}

/** True only if the owner is certainly gone. */
export async function isAbandoned(home: string): Promise<boolean> {
  const found = await lstat(home);
  // A directory of another user may be a trap.
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  const owner = parseIdentity(await readFile(join(home, OWNER), 'utf8').catch(() => ''));
  // It is just being created, or was created by something else.
  if (owner === undefined) return false;
  const own = ownIdentity();
  if (owner.boot !== own.boot) return owner.machine === own.machine;
  return isDeserted(() => connect(join(home, ALIVE)));
}
