import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { findListener } from './listener-file.js';

/** Swaps what is at a path for links in a row, as fast as it can, until its parent is gone. */
const SWAPPER = `
  const { renameSync, symlinkSync } = require('node:fs');
  const [path, ...targets] = process.argv.slice(1);
  process.on('disconnect', () => process.exit());
  const swap = () => {
    for (let round = 0; round < 100; round += 1) {
      for (const target of targets) {
        symlinkSync(target, path + '.new');
        renameSync(path + '.new', path);
      }
    }
    setImmediate(swap);
  };
  swap();`;

describe('the socket of a function', () => {
  let folder: string;
  let directory: string;
  const servers: Server[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fnl'));
    directory = join(folder, 'own');
    mkdirSync(directory);
  });

  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(folder, { recursive: true });
  });

  const at = (name: string) => join(directory, name);

  async function serve(path: string): Promise<{ visits: number }> {
    const seen = { visits: 0 };
    const server = createServer((visitor) => {
      seen.visits += 1;
      visitor.on('error', () => undefined).end('served');
    });
    servers.push(server);
    server.listen(path);
    await once(server, 'listening');
    return seen;
  }

  /** @returns whether there was a socket that the runner may connect to */
  async function dial(): Promise<boolean> {
    let listener: ReturnType<typeof findListener>;
    try {
      listener = findListener(directory);
    } catch {
      return false;
    }
    if (listener === undefined) return false;
    const socket = connect(listener.address).resume();
    await once(socket, 'close');
    listener.release();
    return true;
  }

  it('does not exist before it is created', () => {
    expect(findListener(directory)).toBeUndefined();
  });

  it.each(['../host.sock', '/HOST', '.', '..', './../host.sock', 'sub/host.sock'])(
    'agent-and-docker 28: must not be a link to %s',
    async (target) => {
      const host = await serve(join(folder, 'host.sock'));
      symlinkSync(target.replace('/HOST', join(folder, 'host.sock')), at('lsnr.sock'));
      expect(() => findListener(directory)).toThrow();
      expect(host.visits).toBe(0);
    },
  );

  it('agent-and-docker 28: may be a link to a link in the same directory, but not to itself', async () => {
    await serve(at('bound.sock'));
    symlinkSync('bound.sock', at('link'));
    symlinkSync('./link', at('lsnr.sock'));
    expect(await dial()).toBe(true);
    rmSync(at('lsnr.sock'));
    symlinkSync('lsnr.sock', at('lsnr.sock'));
    expect(() => findListener(directory)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: 'too many unix socket symlinks' }) }),
    );
  });

  it('agent-and-docker 28: may not be a file', () => {
    writeFileSync(at('lsnr.sock'), '');
    expect(() => findListener(directory)).toThrow(expect.objectContaining({ code: 'containerInitFailed' }));
  });

  it('L3: the connection reaches the checked socket, even if its name is reused', async () => {
    const own = await serve(at('bound.sock'));
    const host = await serve(join(folder, 'host.sock'));
    linkSync(at('bound.sock'), at('lsnr.sock'));
    const listener = findListener(directory);
    symlinkSync(join(folder, 'host.sock'), at('new'));
    renameSync(at('new'), at('lsnr.sock'));
    await once(connect(listener?.address ?? '').resume(), 'close');
    listener?.release();
    expect([own.visits, host.visits]).toEqual([1, 0]);
  });

  it('L2: is never outside of the directory, however fast a function replaces its links', async () => {
    await serve(at('bound.sock'));
    const host = await serve(join(folder, 'host.sock'));
    const targets = ['bound.sock', '../host.sock', join(folder, 'host.sock')];
    const swapper = spawn(process.execPath, ['-e', SWAPPER, at('lsnr.sock'), ...targets], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const dials = { accepted: 0, refused: 0 };
    const giveUpAt = performance.now() + 15_000;
    while ((dials.accepted < 30 || dials.refused < 30) && performance.now() < giveUpAt) {
      if (await dial()) dials.accepted += 1;
      else dials.refused += 1;
      await turn();
    }
    swapper.disconnect();
    await once(swapper, 'exit');
    expect(host.visits).toBe(0);
    expect(Math.min(dials.accepted, dials.refused)).toBeGreaterThanOrEqual(30);
  });
});
