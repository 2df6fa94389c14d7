// takes: 5 s
import { mkdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { freePorts } from '@fnfleet/testing';
import { FnfleetCommand } from './harness/command.js';
import { Footprint } from './harness/footprint.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(60_000);

const HOST = '127.0.0.1';

describe('fnfleet up where a node cannot start', () => {
  let footprint: Footprint;
  let up: FnfleetCommand | undefined;
  let port: number;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    footprint = new Footprint();
    port = await freePorts(6);
  });

  afterEach(async () => {
    await up?.stop();
    up = undefined;
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
    const left = await footprint.leftovers();
    footprint.remove();
    expect(left).toEqual([]);
  });

  function start(env: Readonly<Record<string, string>>, ...more: string[]): FnfleetCommand {
    const args = ['up', '--port', `${port}`, '--grpc-port', `${port + 4}`, ...more];
    up = new FnfleetCommand(args, { env: { ...footprint.env, ...env } });
    return up;
  }

  /** Takes connections and says nothing. */
  function occupy(where: { port: number; host: string } | { path: string }): Promise<void> {
    const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, resolve);
    });
  }

  const FUNCTIONS = { FN_DRIVER: 'process', FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions') };

  it.each`
    node         | taken | setting           | option
    ${'api'}     | ${0}  | ${'FN_PORT'}      | ${'--port'}
    ${'lb'}      | ${1}  | ${'FN_PORT'}      | ${'--port'}
    ${'runner2'} | ${3}  | ${'FN_PORT'}      | ${'--port'}
    ${'runner1'} | ${4}  | ${'FN_GRPC_PORT'} | ${'--grpc-port'}
  `('$node finds its port taken: the fleet ends, and says that $option changes it', async (row) => {
    await occupy({ port: port + row.taken, host: HOST });
    // Also where nobody sees what the nodes print.
    const command = start(FUNCTIONS, '--quiet');
    expect(await command.ended).toEqual({ code: 1, signal: null });
    const verdict = command.output.slice(command.output.indexOf('fnfleet: '));
    expect(verdict).toMatch(
      `fnfleet: ${row.node} does not start: cannot listen on ${HOST}:${port + row.taken} (${row.setting}, FN_BIND_ADDRESS): `,
    );
    expect(verdict).toMatch(new RegExp(`address already in use .*\\n\\(change it with ${row.option} <n>: `));
  });

  it('runner1 finds its socket taken: the fleet ends, and says that it can use ports', async () => {
    const socket = path.join(footprint.dataDir, 'run', 'runner1');
    mkdirSync(path.dirname(socket));
    await occupy({ path: socket });
    up = new FnfleetCommand(['up', '--port', `${port}`, '--data', footprint.dataDir], {
      env: { ...footprint.env, ...FUNCTIONS },
    });
    expect(await up.ended).toEqual({ code: 1, signal: null });
    expect(up.output).toMatch(
      `fnfleet: runner1 does not start: cannot listen on ${socket} (FN_GRPC_SOCKET): another process listens there\n(change it with --grpc-port <n>: `,
    );
  });

  it('the engine is away: the fleet ends, and says which runner needs it and what can be done', async () => {
    const command = start({ DOCKER_HOST: 'unix:///nonexistent' }, '--quiet');
    expect(await command.ended).toEqual({ code: 1, signal: null });
    expect(command.output).toMatch(
      /fnfleet: runner\d does not start: cannot reach the Docker engine at unix:\/\/\/nonexistent: .*FN_DRIVER=process/,
    );
  });

  it('a balancer of several processes says why none of them starts', async () => {
    const command = start({ ...FUNCTIONS, FN_WORKERS: '2', FN_PLACER: './nonexistent.js' }, '--quiet');
    expect(await command.ended).toEqual({ code: 1, signal: null });
    expect(command.output).toMatch(/fnfleet: lb does not start: FN_PLACER: cannot load .*nonexistent/);
  });

  it('Ctrl-C while a runner waits for an engine that says nothing: the fleet ends', async () => {
    const engine = path.join(footprint.folder, 'engine.sock');
    await occupy({ path: engine });
    const command = start({ DOCKER_HOST: `unix://${engine}` });
    await command.prints(/lb .* ready /);
    command.signal('SIGINT');
    expect(await command.ended).toEqual({ code: 0, signal: null });
    expect(command.output).toContain('stopped and cleaned up');
    expect(command.output).not.toMatch(/runner\d .* ready /);
  });
});
