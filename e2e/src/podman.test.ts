// needs: podman, docker-registry
// takes: 10 s
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePorts, ImageRegistry, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { ApiClient, deployFunction, type FnSpec, invokeUrl } from 'fnfleet';
import { FnfleetCommand } from './harness/command.js';
import { PATIENCE } from './harness/fleet.js';
import { Footprint } from './harness/footprint.js';
import { errorOf, invoke, reportOf } from './harness/invoke.js';
import { MICRO_IMAGE, PROBE_IMAGE } from './harness/paths.js';
import { PrivatePodman } from './harness/private-podman.js';

jest.setTimeout(120_000);

const DIED = 'error receiving function response';
const NO_MKDIR = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
};

/** docs/deploying.md says what does not work. */
describe('a node whose engine is Podman, with root', () => {
  let podman: PrivatePodman;
  let registry: ImageRegistry;
  let footprint: Footprint;
  let node: FnfleetCommand;
  let url: string;

  beforeAll(async () => {
    footprint = new Footprint();
    registry = await ImageRegistry.start();
    podman = await PrivatePodman.start({ registry: registry.host });
    await podman.copyImage(PROBE_IMAGE);
    const profile = path.join(footprint.folder, 'no-mkdir.json');
    writeFileSync(profile, JSON.stringify(NO_MKDIR));
    const port = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    node = new FnfleetCommand(['node'], {
      env: {
        ...footprint.env,
        ...PATIENCE,
        ...podman.settings,
        // Podman makes its networks with programs that a machine need not have.
        FN_DOCKER_NETWORKS: 'none',
        FN_IOFS_TMPFS: '1',
        FN_DOCKER_SECCOMP_PROFILE: profile,
        FN_FREEZE_IDLE_MSECS: '1',
        FN_PORT: `${port}`,
        FN_BIND_ADDRESS: '127.0.0.1',
        FN_DB_URL: `sqlite3://${footprint.dataDir}/fn.db`,
      },
    });
    await node.ready();
  });

  afterAll(async () => {
    await node?.stop();
    await podman?.close();
    await registry?.close();
    footprint?.remove();
  });

  async function deployed(spec: Partial<FnSpec> & { name: string }): Promise<string> {
    return invokeUrl(await deployFunction(new ApiClient(url), 'e2e', { image: PROBE_IMAGE, ...spec }));
  }

  it('runs a function, keeps its container for the next call, and freezes it in between', async () => {
    const probe = await deployed({ name: 'probe', config: { A: '1' } });
    const first = reportOf(await invoke(probe));
    await until({
      what: 'a frozen container',
      look: async () => ((await states()).includes('FROZEN') ? true : undefined),
    });
    expect(reportOf(await invoke(probe))).toMatchObject({ instance: first.instance, request: 2 });
    const { env } = JSON.parse((await invoke(probe, { knobs: { env: true } })).body.toString());
    expect(env).toMatchObject({ A: '1', FN_TYPE: 'sync' });
    expect(node.output).toContain('frozen through their control groups');
  });

  it('answers for a function that ends or takes more memory than it has, and serves its next call', async () => {
    const probe = await deployed({ name: 'ends' });
    const hog = await deployed({ name: 'hog', memory: 64 });
    const ends = errorOf(await invoke(probe, { knobs: { exitCode: 7 } }));
    const killed = errorOf(await invoke(hog, { knobs: { hogMb: 256 } }));
    expect([ends, killed]).toEqual([
      [502, DIED],
      [502, DIED],
    ]);
    for (const fn of [probe, hog]) expect(reportOf(await invoke(fn)).request).toBe(1);
    await logged(/function ended .*how="exit code 7"/);
    // That it was over its memory Podman does not tell, with control groups of version 1.
    await logged(/function ended .*how="(ended by SIGKILL|killed: over 64 MiB)"/);
  });

  it('pulls an image, and says where one cannot be had', async () => {
    const pulled = await deployed({ name: 'pulled', image: await pushed(MICRO_IMAGE) });
    expect((await invoke(pulled)).status).toBe(200);
    const missing = await deployed({ name: 'missing', image: `${registry.host}/no/such:1` });
    expect(errorOf(await invoke(missing))).toEqual([
      expect.any(Number),
      expect.stringContaining(`it is not on this engine; build it with docker build -t ${registry.host}/no/such:1`),
    ]);
  });

  it('has no syslog: whoever asks for it is told', async () => {
    const api = new ApiClient(url);
    await api.updateApp((await api.createApp('logged')).id, { syslog_url: 'udp://127.0.0.1:9' });
    const logged = invokeUrl(await deployFunction(api, 'logged', { name: 'probe', image: PROBE_IMAGE }));
    expect(errorOf(await invoke(logged))).toEqual([500, 'Syslog Unavailable']);
  });

  it('shuts functions in: no root, no capabilities, limits on processes, files and system calls', async () => {
    const probe = await deployed({ name: 'shut-in' });
    const knobs = {
      read: ['/proc/self/status', '/proc/self/limits'],
      write: [
        { path: '/outside', bytes: 1 },
        { path: '/tmp/iofs/large', bytes: 2_000_000 },
      ],
      make: ['/tmp/new'],
      fork: 60,
    };
    const { uid, read, written, made, forked } = JSON.parse((await invoke(probe, { knobs })).body.toString());
    expect({ uid, written, made, forked }).toMatchObject({
      uid: 1000,
      written: [
        { path: '/outside', error: 'EROFS' },
        { path: '/tmp/iofs/large', error: 'ENOSPC' },
      ],
      made: [{ path: '/tmp/new', error: 'EPERM' }],
      forked: { error: 'EAGAIN' },
    });
    expect(read[0].text).toMatch(/^CapBnd:\s+0+$/m);
    expect(read[0].text).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(read[1].text).toMatch(/^Max open files\s+350\s+350/m);
  });

  it('ends the call in hand when it is drained, and leaves nothing with Podman', async () => {
    const probe = await deployed({ name: 'probe' });
    await invoke(probe);
    expect((await podman.containers()).length).toBeGreaterThan(0);
    const answer = invoke(probe, { knobs: { sleepMs: 2_000, body: 'was not lost' } });
    await until({ what: 'the call runs', look: async () => ((await running()) === 1 ? true : undefined) });
    node.signal('SIGTERM');
    expect((await answer).body.toString()).toBe('was not lost');
    expect(await node.ended).toEqual({ code: 0, signal: null });
    expect(await podman.containers()).toEqual([]);
    expect(readdirSync(podman.settings.FN_IOFS_PATH ?? '')).toEqual([]);
    expect(node.output).not.toMatch(/uncaught error|unhandled rejection/);
  });

  async function logged(line: RegExp): Promise<void> {
    await until({ what: `${line} in the log`, look: () => line.test(node.output) || undefined });
  }

  /** From the Docker engine of the machine to the registry alone. */
  async function pushed(image: string): Promise<string> {
    const docker = new Docker();
    const name = `${registry.host}/micro`;
    await docker.getImage(image).tag({ repo: name, tag: '1' });
    const copy = docker.getImage(`${name}:1`);
    for await (const _ of await copy.push({ authconfig: {} }));
    await copy.remove();
    return `${name}:1`;
  }

  async function running(): Promise<number> {
    const { body } = await invoke(`${url}/metrics`, { method: 'GET' });
    return Number(body.toString().match(/^fn_running(?:\{.*\})? (\d+)/m)?.[1] ?? 0);
  }

  /** Of the control groups of containers. */
  async function states(): Promise<string[]> {
    const inspected = (await podman.containers()).map((name) => podman.docker.getContainer(name).inspect());
    return (await Promise.all(inspected)).map(({ State: { Pid } }) => {
      const groups = readFileSync(`/proc/${Pid}/cgroup`, 'utf8');
      const [, v1] = groups.match(/^\d+:freezer:(.*)$/m) ?? [];
      if (v1 !== undefined) return readFileSync(`/sys/fs/cgroup/freezer${v1}/freezer.state`, 'utf8').trim();
      const [, v2] = groups.match(/^0::(.*)$/m) ?? [];
      return readFileSync(`/sys/fs/cgroup${v2}/cgroup.events`, 'utf8').includes('frozen 1') ? 'FROZEN' : 'THAWED';
    });
  }
});
