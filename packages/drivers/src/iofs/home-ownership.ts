import { once } from 'node:events';
import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { formatIdentity, ownIdentity, parseIdentity } from '../runner-identity.js';
import { isDeserted } from '../socket-liveness.js';

export const HOME_PREFIX = 'fnfleet';
const OWNER = 'owner';
const ALIVE = 'alive';
/** What shows whose a home is, as long as there is anything else in it. */
export const MARKS: readonly string[] = [OWNER, ALIVE];

/**
 * Who a home belongs to, in a way that outlives its owner: as long as the process lives, a socket in the home accepts
 * connections; when it ends, however it ends, the kernel closes the socket. Unlike a process id that tells the truth to a
 * runner in another container as well. The file says on which machine, since when it booted, the socket means anything.
 */
export class HomeOwnership {
  private constructor(private readonly server: Server) {}

  /** @throws Error */
  static async take(home: string): Promise<HomeOwnership> {
    const server = createServer((visitor) => visitor.destroy());
    server.listen(join(home, ALIVE));
    await once(server, 'listening');
    // A listener is no work in hand.
    server.unref();
    try {
      // Last: whoever finds it can rely on the socket.
      await writeFile(join(home, OWNER), formatIdentity(ownIdentity()));
    } catch (error) {
      server.close();
      throw error;
    }
    return new HomeOwnership(server);
  }

  async release(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** What looks like a home. None where the parent cannot be read. */
export async function listHomes(parent: string): Promise<string[]> {
  const names = await readdir(parent).catch(() => []);
  const shape = new RegExp(`^${HOME_PREFIX}\\w{6}$`);
  return names.filter((name) => shape.test(name)).map((name) => join(parent, name));
}

/** True only where it is certain that the owner is gone. */
export async function isAbandoned(home: string): Promise<boolean> {
  const found = await lstat(home);
  // What another user of this machine put there may be anything, also a trap.
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  const owner = parseIdentity(await readFile(join(home, OWNER), 'utf8').catch(() => ''));
  // Made this instant, or by something else.
  if (owner === undefined) return false;
  const own = ownIdentity();
  if (owner.boot !== own.boot) return owner.machine === own.machine;
  return isDeserted(() => connect(join(home, ALIVE)));
}
