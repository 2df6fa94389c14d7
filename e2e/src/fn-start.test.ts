// takes: 5 s
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { errorOf, invoke, reportOf } from './harness/invoke.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { request } from './harness/requests.js';

jest.setTimeout(180_000);

const SERVER = 'fnproject/fnserver:latest';
/** Of this run: `fn` has `fnserver` and `fnserversocket`, which somebody may use on this machine. */
const NAME = `fnserver-e2e-${process.pid}`;
const VOLUME = `fnserversocket-e2e-${process.pid}`;
const docker = new Docker();

/** What is mounted in the containers of functions, by what they share with their server. */
async function functions(): Promise<{ id: string; sources: string[] }[]> {
  const all = await docker.listContainers({ all: true });
  return all
    .filter(({ Mounts }) =>
      Mounts.some(({ Source, Destination }) => Source.includes(VOLUME) && Destination !== '/iofs'),
    )
    .map(({ Id, Mounts }) => ({ id: Id, sources: Mounts.map(({ Source }) => Source) }));
}

/** Runs a program of Node in a container of the server's image, to its end. */
async function inContainer(program: string, ...options: string[]): Promise<{ code: number; output: string }> {
  const child = spawn('docker', ['run', '--rm', ...options, '--entrypoint', 'node', SERVER, '-p', program]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, output: output.trim() };
}

describe('fn start of the fn command line, with our image under the name of its server', () => {
  let home: string;
  let url: string;
  let port: number;
  /** Left out on machines that let no container be it: nothing that is tested here needs it. */
  let privileged: readonly string[];
  let server: ChildProcess;
  let log: string;

  beforeAll(async () => {
    const { code } = await inContainer('0', '--privileged');
    privileged = code === 0 ? ['--privileged'] : [];
    home = mkdtempSync(path.join(tmpdir(), 'e2e-'));
    port = await freePorts(1);
    url = `http://localhost:${port}`;
  });

  afterEach(async () => {
    await docker
      .getContainer(NAME)
      .remove({ force: true })
      .catch(() => undefined);
    const left = await functions();
    for (const { id } of left) await docker.getContainer(id).remove({ force: true });
    expect(left).toEqual([]);
  });

  afterAll(async () => {
    await docker.getVolume(VOLUME).remove();
    rmSync(home, { recursive: true });
  });

  /** As commands/start.go of fn 0.6.63 does it, whose options are in this order. */
  async function start(debugPort?: number): Promise<void> {
    const options = [
      ...['run', '--rm', '-i'],
      ...['--name', NAME],
      ...['-v', `${VOLUME}:/iofs:z`],
      ...['-e', `FN_IOFS_DOCKER_PATH=${VOLUME}`],
      ...['-e', 'FN_IOFS_PATH=/iofs'],
      ...['-e', `FN_LOCAL_DEBUG=${debugPort !== undefined}`],
      ...['-e', `FN_LOCAL_DEBUG_PORT=${debugPort ?? 5678}`],
      ...['-v', `${home}/data:/app/data`],
      ...['-v', '/var/run/docker.sock:/var/run/docker.sock'],
      ...privileged,
      ...['-p', `${port}:8080`],
      ...['--entrypoint', './fnserver'],
      ...(debugPort === undefined ? [] : ['-e', 'FN_HOT_START_TIMEOUT_MSECS=300000']),
    ];
    log = '';
    server = spawn('docker', [...options, SERVER], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const output of [server.stdout, server.stderr]) {
      output?.on('data', (chunk: Buffer) => {
        log += chunk;
      });
    }
    await until({ what: 'a server that is ready', look: () => / ready /.test(log) || ended() });
  }

  function ended(): undefined {
    if (server.exitCode !== null) throw new Error(`the server has ended:\n${log}`);
  }

  /** What `fn` does with the `docker` that it has started, on Ctrl-C. */
  async function stop(): Promise<number> {
    const end = once(server, 'close');
    server.kill('SIGTERM');
    const [code] = await end;
    return code;
  }

  async function rest(method: 'GET' | 'POST', target: string, body?: object) {
    const answer = await request(url + target, { method, body: body && JSON.stringify(body) });
    return JSON.parse(await answer.body.text());
  }

  it('runs functions that see their own socket alone, keeps what was deployed, and leaves nothing when it is stopped', async () => {
    await start();
    expect(log).not.toContain('unknown setting');
    const app = await rest('POST', '/v2/apps', { name: 'shop' });
    const endpoints: string[] = [];
    for (const name of ['cart', 'till']) {
      const fn = await rest('POST', '/v2/fns', { app_id: app.id, name, image: PROBE_IMAGE, memory: 128 });
      endpoints.push(fn.annotations['fnproject.io/fn/invokeEndpoint']);
    }
    expect(endpoints.every((endpoint) => endpoint.startsWith(`${url}/invoke/`))).toBe(true);
    for (const endpoint of endpoints) {
      expect(reportOf(await invoke(endpoint))).toMatchObject({ request: 1 });
      expect(reportOf(await invoke(endpoint))).toMatchObject({ request: 2 });
    }
    const { Mountpoint } = await docker.getVolume(VOLUME).inspect();
    const mounted = (await functions()).map(({ sources }) =>
      sources.map((source) => path.relative(Mountpoint, source)),
    );
    expect(mounted).toEqual(Array(2).fill([expect.stringMatching(/^fnfleet\w{6}\/iofs\w{6}$/)]));
    expect(new Set(mounted.flat()).size).toBe(2);

    expect(await stop()).toBe(0);
    expect(await functions()).toEqual([]);
    const volume = await inContainer("require('node:fs').readdirSync('/iofs').length", '-v', `${VOLUME}:/iofs`);
    expect(volume).toEqual({ code: 0, output: '0' });

    await start();
    expect((await rest('GET', `/v2/fns?app_id=${app.id}`)).items).toHaveLength(2);
    expect(reportOf(await invoke(endpoints[0] ?? ''))).toMatchObject({ request: 1 });
    expect(await stop()).toBe(0);
  });

  it('fn start --local-debug publishes the port of the debugger in a function, which is not frozen', async () => {
    const debugPort = await freePorts(1);
    await start(debugPort);
    const app = await rest('POST', '/v2/apps', { name: 'debugged' });
    const config = { NODE_OPTIONS: `--inspect=0.0.0.0:${debugPort}` };
    const fn = await rest('POST', '/v2/fns', {
      app_id: app.id,
      name: 'probe',
      image: PROBE_IMAGE,
      memory: 128,
      config,
    });
    reportOf(await invoke(fn.annotations['fnproject.io/fn/invokeEndpoint']));
    const [container] = await functions();
    const { State, NetworkSettings } = await docker.getContainer(container?.id ?? '').inspect();
    expect(State.Paused).toBe(false);
    expect(NetworkSettings.Ports).toEqual({
      [`${debugPort}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: `${debugPort}` }],
    });
    const debuggers = await request(`http://127.0.0.1:${debugPort}/json/version`);
    const other = await rest('POST', '/v2/fns', { app_id: app.id, name: 'other', image: PROBE_IMAGE, memory: 128 });
    const refused = errorOf(await invoke(other.annotations['fnproject.io/fn/invokeEndpoint']));
    expect(refused).toEqual([400, expect.stringContaining('the port of the debugger is in use')]);
    expect(await debuggers.body.json()).toMatchObject({ Browser: expect.stringMatching(/^node\.js\/v/) });
    expect(await stop()).toBe(0);
  });
});
