import { existsSync, readFileSync } from 'node:fs';
import { until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { ApiClient, deployFunction, invokeUrl } from 'fnfleet';
import { invoke } from './harness/invoke.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { fetch } from './harness/requests.js';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;
/** How long a busy machine may take to drain a node, before the engine kills it. */
const DRAIN_S = 60;
const VOLUME = `e2e-iofs-${process.pid}`;
const docker = new Docker();

/** The groups of the engine's containers, as this machine has them. */
const GROUPS = ['/sys/fs/cgroup/freezer/docker', '/sys/fs/cgroup/docker'];

describe('a node in a container, with the engine of the host', () => {
  const nodes: Docker.Container[] = [];

  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.remove({ force: true, v: true });
    const left = await functions();
    for (const id of left) await docker.getContainer(id).remove({ force: true });
    await docker.getVolume(VOLUME).remove();
    expect(left).toEqual([]);
  });

  /** As an operator would run it: see docs/deploying.md. */
  async function start(settings: readonly string[] = []): Promise<{ node: Docker.Container; url: string }> {
    const node = await docker.createContainer({
      Image: 'fnfleet/fnfleet:latest',
      User: '0:0',
      Env: ['FN_NODE_TYPE=full', 'FN_ALLOW_INSECURE=1', 'FN_CGROUP_PATH=/host/cgroup', ...settings],
      ExposedPorts: { '8080/tcp': {} },
      HostConfig: {
        CapDrop: ['ALL'],
        CapAdd: ['DAC_OVERRIDE', 'FOWNER'],
        ReadonlyRootfs: true,
        // Of the node itself: it is not what functions may have.
        Memory: 400 * MIB,
        Tmpfs: { '/tmp': '', '/var/lib/fnfleet': '' },
        Binds: [
          '/var/run/docker.sock:/var/run/docker.sock',
          '/sys/fs/cgroup:/host/cgroup',
          `${VOLUME}:/run/fnfleet/iofs`,
        ],
        PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '0' }] },
      },
    });
    nodes.push(node);
    await node.start();
    const { HostPort = '' } = (await node.inspect()).NetworkSettings.Ports['8080/tcp']?.[0] ?? {};
    const url = `http://127.0.0.1:${HostPort}`;
    await until({
      what: 'a node that is ready',
      look: async () => ((await fetch(`${url}/readyz`).catch(() => undefined))?.ok ? true : undefined),
    });
    return { node, url };
  }

  /** Where the probe is called, deployed there with so much memory. */
  async function deployed(url: string, memory: number): Promise<string> {
    const spec = { name: 'probe', image: PROBE_IMAGE, memory, idle_timeout: 120 };
    const { pathname } = new URL(invokeUrl(await deployFunction(new ApiClient(url), 'boxed', spec)));
    return url + pathname;
  }

  /** The containers of functions that share the volume with their runner. */
  async function functions(): Promise<string[]> {
    const all = await docker.listContainers({ all: true });
    const ours = new Set(nodes.map(({ id }) => id));
    return all
      .filter(({ Id, Mounts }) => !ours.has(Id) && Mounts.some(({ Source }) => Source.includes(`/${VOLUME}/`)))
      .map(({ Id }) => Id);
  }

  async function log(node: Docker.Container): Promise<string> {
    return (await node.logs({ stdout: true, stderr: true })).toString();
  }

  function isFrozen(id: string): boolean {
    const [group = ''] = GROUPS.map((root) => `${root}/${id}`).filter((path) => existsSync(path));
    const v1 = `${group}/freezer.state`;
    return existsSync(v1)
      ? readFileSync(v1, 'utf8').trim() === 'FROZEN'
      : readFileSync(`${group}/cgroup.freeze`, 'utf8').trim() === '1';
  }

  it('agent-and-docker 33, 92: serves functions, freezes them through the control groups of the host, and leaves nothing', async () => {
    const { node, url } = await start();
    // More than the node itself may have.
    const probe = await deployed(url, 512);
    expect((await invoke(probe)).status).toBe(200);
    const [container = ''] = await functions();
    await until({ what: 'a frozen function', look: () => isFrozen(container) || undefined });
    expect((await docker.getContainer(container).inspect()).State.Paused).toBe(false);
    expect((await invoke(probe)).status).toBe(200);
    expect(await log(node)).toContain('frozen through their control groups');

    await node.stop({ t: DRAIN_S });
    expect((await node.inspect()).State.ExitCode).toBe(0);
    expect(await functions()).toEqual([]);
  });

  it('what one left that was killed is removed when the next has started', async () => {
    const first = await start();
    expect((await invoke(await deployed(first.url, 128))).status).toBe(200);
    expect(await functions()).toHaveLength(1);
    await first.node.kill();
    const second = await start();
    await until({ what: 'the end of what was left', look: async () => (await functions()).length === 0 || undefined });
    // Which runner removes it is left open: any that uses the same engine may, and other tests have some.
    await second.node.stop({ t: DRAIN_S });
    expect((await second.node.inspect()).State.ExitCode).toBe(0);
  });
});
