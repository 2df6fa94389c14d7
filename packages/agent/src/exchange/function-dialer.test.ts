import { once } from 'node:events';
import { linkSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FunctionDialer } from './function-dialer.js';

const folder = mkdtempSync(path.join(tmpdir(), 'dial-'));
const servers: net.Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

async function listen(name: string): Promise<string> {
  const socketPath = path.join(folder, name);
  const server = net.createServer((socket) => socket.resume()).listen(socketPath);
  servers.push(server);
  await once(server, 'listening');
  return socketPath;
}

/** A socket that is there, but nobody listens on it. */
async function deafSocket(name: string): Promise<string> {
  const bound = await listen(`${name}-bound`);
  const deaf = path.join(folder, name);
  linkSync(bound, deaf);
  servers.pop()?.close();
  return deaf;
}

const read = { buffer: Buffer.alloc(16), callback: () => true };

function dialerOf(socketPath: string): FunctionDialer {
  return new FunctionDialer((onread) => net.connect({ path: socketPath, onread }));
}

function dial(dialer: FunctionDialer): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    dialer.dial(read, resolve, reject);
  });
}

it('waits for a function that has bound its socket but does not listen yet', async () => {
  const socketPath = await deafSocket('slow.sock');
  const connection = dial(dialerOf(socketPath));
  await new Promise((resolve) => setTimeout(resolve, 50));
  renameSync(await listen('ready.sock'), socketPath);
  (await connection).destroy();
});

it('does not retry once a connection has succeeded', async () => {
  const socketPath = await listen('gone.sock');
  let dialled = 0;
  const dialer = new FunctionDialer((onread) => {
    dialled += 1;
    return net.connect({ path: socketPath, onread });
  });
  (await dial(dialer)).destroy();
  renameSync(await deafSocket('dead.sock'), socketPath);
  await expect(dial(dialer)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(dialled).toBe(2);
});

it('releases a connection attempt that is cancelled', async () => {
  const dialling = dialerOf(await deafSocket('unwanted.sock')).dial(read, fail, fail);
  await new Promise((resolve) => setTimeout(resolve, 20));
  dialling.destroy();
  const connecting = dialerOf(await listen('fast.sock')).dial(read, fail, fail);
  connecting.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
});

function fail(): void {
  throw new Error('called back nevertheless');
}
