import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePorts } from '@fnfleet/testing';
import { ApiClient, deployFunction, type FnSpec, invokeUrl } from 'fnfleet';
import { FnfleetCommand } from './harness/command.js';
import { PATIENCE } from './harness/fleet.js';
import { Footprint } from './harness/footprint.js';
import { errorOf, invoke, reportOf } from './harness/invoke.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { PrivatePodman } from './harness/private-podman.js';
import { until } from './harness/until.js';

jest.setTimeout(120_000);

const DIED = 'error receiving function response';
const NO_MKDIR = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
};

/** docs/deploying.md says what does not work. */
describe('a node whose engine is Podman, with root', () => {
  let podman: PrivatePodman;
  let footprint: Footprint;
  let node: FnfleetCommand;
  let url: string;

  beforeAll(async () => {
    podman = await PrivatePodman.start();
    await podman.copyImage(PROBE_IMAGE);
    footprint = new Footprint();
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
    await node.prints(/ready/);
  });

  afterAll(async () => {
    await node?.stop();
    footprint?.remove();
    await podman?.close();
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
  });

  it('says that an image is not there, and blames a configuration that cannot be on its owner', async () => {
    const missing = await deployed({ name: 'missing', image: '127.0.0.1:9/no/such:1' });
    expect(errorOf(await invoke(missing))).toEqual([
      expect.any(Number),
      expect.stringContaining('it is not on this engine'),
    ]);
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
