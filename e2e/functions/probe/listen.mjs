import { chmod, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Ways to offer, or fail to offer, the socket that a runner waits for. Each gets the server and the path asked for.
 * The good ones end with something at that path that can be connected to.
 */
const OFFERS = {
  /** As the published FDKs do: bind another name, open it to the runner, then link to it. */
  socket: async (server, path) => symlink(basename(await bind(server, beside(path))), path),
  dot: async (server, path) => symlink(`./${basename(await bind(server, beside(path)))}`, path),
  direct: (server, path) => bind(server, path),
  renamed: async (server, path) => rename(await bind(server, beside(path)), path),

  file: (_server, path) => writeFile(path, 'not a socket'),
  directory: (_server, path) => mkdir(path),
  dangling: (_server, path) => symlink('nowhere.sock', path),
  absolute: async (server, path) => symlink(await bind(server, beside(path)), path),
  parent: async (server, path) => {
    const bound = await bind(server, beside(path));
    await symlink(join('..', basename(dirname(path)), basename(bound)), path);
  },
  /** A link to a link that leads out of the directory. */
  chain: async (_server, path) => {
    await symlink('/tmp', beside(path));
    await symlink(basename(beside(path)), path);
  },
  other: (server, path) => bind(server, beside(path)),
  none: async () => undefined,
};

/**
 * @param {import('node:http').Server} server
 * @param {string | undefined} listener `unix:<path>`
 * @param {string} kind a key of OFFERS
 */
export async function offer(server, listener, kind) {
  if (!listener?.startsWith('unix:')) throw new Error(`FN_LISTENER: expected unix:<path>, got ${listener}`);
  const way = OFFERS[kind];
  if (way === undefined) throw new Error(`PROBE_SOCKET: expected one of ${Object.keys(OFFERS)}, got ${kind}`);
  await way(server, listener.slice('unix:'.length));
}

function beside(path) {
  return join(dirname(path), 'probe.sock');
}

function bind(server, path) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => chmod(path, 0o666).then(() => resolve(path), reject));
  });
}
