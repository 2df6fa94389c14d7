import { createServer, type Server } from 'node:net';

const HOST = '127.0.0.1';
/** Below the ports that the system gives to whoever asks for any. Each jest worker has a band of its own. */
const FIRST = 20_000;
const BAND = 1_500;
const BANDS = 8;
const ATTEMPTS = 50;

/**
 * The first of some ports in a row that nobody listens on.
 * @throws Error when there is no such row
 */
export async function freePorts(count: number): Promise<number> {
  const band = FIRST + (Number(process.env.JEST_WORKER_ID ?? 0) % BANDS) * BAND;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const first = band + Math.floor(Math.random() * (BAND - count));
    if (await areFree(first, count)) return first;
  }
  throw new Error(`no ${count} free ports in a row from ${band} to ${band + BAND}`);
}

/**
 * A port that nobody listens on, nor will before the test does.
 * @throws Error when there is none
 */
export function freePort(): Promise<number> {
  return freePorts(1);
}

async function areFree(first: number, count: number): Promise<boolean> {
  const ports = Array.from({ length: count }, (_, index) => first + index);
  const servers = await Promise.all(ports.map(tryListen));
  await Promise.all(servers.map((server) => server && new Promise((resolve) => server.close(resolve))));
  return servers.every((server) => server !== undefined);
}

function tryListen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, HOST, () => resolve(server));
  });
}
