import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SocketFile } from './socket-file.js';

let folder: string;
let at: string;
const open: { readonly server: Server; readonly file: SocketFile }[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-socket-'));
  at = path.join(folder, 'r.sock');
});
afterEach(async () => {
  for (const { server, file } of open.splice(0)) await new Promise<void>((done) => file.close(server, done));
  rmSync(folder, { recursive: true });
});

async function listening(where = at) {
  const [server, file] = [createServer((socket) => socket.end()), new SocketFile(where)];
  await file.claim();
  open.push({ server, file });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    file.listen(server, resolve);
  });
  return { server, file, close: () => new Promise<void>((done) => file.close(server, done)) };
}

async function accepts(where = at): Promise<boolean> {
  const socket = connect(where);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

const modeOf = (where: string) => (statSync(where).mode & 0o777).toString(8);

/** A socket on which nobody listens any more, as a process that was killed leaves it. */
async function leaveBehind(where: string): Promise<void> {
  const server = createServer().listen(where);
  await once(server, 'listening');
  // Node removes the file, but not another name of it.
  linkSync(where, `${where}.left`);
  await new Promise((resolve) => server.close(resolve));
  renameSync(`${where}.left`, where);
}

it.each(['022', '0', '077'])('only its user may connect, with any umask: %s', async (umask) => {
  const before = process.umask(Number.parseInt(umask, 8));
  try {
    const where = path.join(folder, 'new', 'deep', 'r.sock');
    await listening(where);
    expect([modeOf(where), modeOf(path.dirname(where)), modeOf(path.join(folder, 'new'))]).toEqual([
      '600',
      '700',
      '700',
    ]);
    expect(process.umask(before).toString(8)).toBe(Number.parseInt(umask, 8).toString(8));
  } finally {
    process.umask(before);
  }
});

it('others could not even connect between its creation and the change of its mode', async () => {
  const before = process.umask(0);
  try {
    const [server, file] = [createServer(), new SocketFile(at)];
    open.push({ server, file });
    const { listen } = server;
    let mode = '';
    jest.spyOn(server, 'listen').mockImplementation((...given: unknown[]) => {
      const result = Reflect.apply(listen, server, given);
      mode = modeOf(at);
      return result;
    });
    await new Promise<void>((resolve) => file.listen(server, resolve));
    expect([mode, modeOf(at)]).toEqual(['755', '600']);
  } finally {
    process.umask(before);
  }
});

it('a directory that exists keeps its mode', async () => {
  chmodSync(folder, 0o755);
  await listening();
  expect(modeOf(folder)).toBe('755');
});

it('the file is removed at the end, and can be used again', async () => {
  const first = await listening();
  await first.close();
  expect(existsSync(at)).toBe(false);
  await listening();
  expect(await accepts()).toBe(true);
});

it('the socket of a process that was killed is replaced', async () => {
  const script = `require('net').createServer().listen(${JSON.stringify(at)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
  expect([existsSync(at), await accepts()]).toEqual([true, false]);
  await listening();
  expect([await accepts(), readdirSync(folder)]).toEqual([true, ['r.sock']]);
});

it.each`
  what                                 | make                               | error
  ${'a socket with a living listener'} | ${() => listening()}               | ${'another process listens there'}
  ${'a file'}                          | ${() => writeFileSync(at, 'kept')} | ${'something else than a socket'}
  ${'a directory'}                     | ${() => mkdirSync(at)}             | ${'something else than a socket'}
  ${'a file instead of a directory'} | ${() => {
  at = path.join(at, 'r.sock');
  writeFileSync(path.dirname(at), '');
}} | ${'file already exists'}
`('$what is left alone: $error', async ({ make, error }) => {
  await make();
  const before = statSync(path.dirname(at)).isDirectory() && statSync(at).ino;
  await expect(listening()).rejects.toThrow(error);
  expect(statSync(path.dirname(at)).isDirectory() && statSync(at).ino).toBe(before);
});

it('a directory in which nothing can be created', async () => {
  await expect(listening('/proc/r.sock')).rejects.toThrow('listen EACCES: permission denied /proc/r.sock');
});

it('of two that start at the same time where a process was killed, one gets the socket', async () => {
  for (let times = 0; times < 20; times += 1) {
    await leaveBehind(at);
    const results = await Promise.allSettled([listening(), listening(), listening()]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect([await accepts(), readdirSync(folder)]).toEqual([true, ['r.sock']]);
    for (const { server, file } of open.splice(0)) {
      if (server.listening) await new Promise<void>((done) => file.close(server, done));
    }
  }
});

it('a file that another process has put there meanwhile is kept', async () => {
  const first = await listening();
  rmSync(at);
  await listening();
  await first.close();
  expect([await accepts(), readdirSync(folder)]).toEqual([true, ['r.sock']]);
});

it('a link to its own socket, by which it was replaced, is removed', async () => {
  const first = await listening();
  linkSync(at, path.join(folder, 'other'));
  await first.close();
  expect(readdirSync(folder)).toEqual(['other']);
});
