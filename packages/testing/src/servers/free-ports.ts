import { createServer, type Server } from 'node:net';

const HOST = '127.0.0.1';
/** Below the ephemeral ports of the system. Each jest worker has its own band. */
const FIRST = 20_000;
const BAND = 1_500;
const BANDS = 8;
const ATTEMPTS = 1_000;
/** Ports that this test file has got. Nobody may listen on them yet, but somebody will. */
const given = new Set<number>();
/** A file that needs more gets the first ones again. */
const MAX_GIVEN = 400;

/**
 * The first of `count` consecutive free ports. A later call gets other ones.
 * @throws Error if there are none
 */
export async function freePorts(count: number): Promise<number> {
  const band = FIRST + (Number(process.env.JEST_WORKER_ID ?? 0) % BANDS) * BAND;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const first = band + Math.floor(Math.random() * (BAND - count));
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.some((port) => given.has(port))) continue;
    // Before the check, which takes time: another call must not get them meanwhile.
    remember(ports);
    if (await areFree(ports)) return first;
  }
  throw new Error(`no ${count} free ports in a row from ${band} to ${band + BAND}`);
}

/**
 * A free port that no other test will use.
 * @throws Error if there is none
 */
export function freePort(): Promise<number> {
  return freePorts(1);
}

function remember(ports: readonly number[]): void {
  for (const port of ports) given.add(port);
  for (const port of given) {
    if (given.size <= MAX_GIVEN) return;
    given.delete(port);
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  const servers = await Promise.all(ports.map(tryListen));
  await Promise.all(servers.map((server) => server && new Promise((resolve) => server.close(resolve))));
  return servers.every((server) => server !== undefined);
}

function tryListen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    // Whoever still looks for the last one at this port gets in the way of `close` otherwise.
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen(port, HOST, () => resolve(server));
  });
}
