// needs: systemd-analyze
// takes: 6 s
import { existsSync, readFileSync } from 'node:fs';
import { freePorts, testTool, until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { ApiClient, deployFunction, fleetAccess } from 'fnfleet';
import { Agent } from 'undici';
import { PROBE_IMAGE } from './harness/paths.js';
import { request } from './harness/requests.js';
import { SystemdHost } from './harness/systemd-host.js';

jest.setTimeout(120_000);

const docker = new Docker();

describe('the units of deploy/systemd, under a systemd', () => {
  let host: SystemdHost;
  let dispatcher: Agent;
  let call: () => Promise<number>;

  beforeAll(async () => {
    // systemd itself comes with it.
    await testTool('systemd-analyze');
    const port = await freePorts(4);
    const loopback = { FN_BIND_ADDRESS: '127.0.0.1' };
    const settings: Readonly<Record<string, Record<string, string>>> = {
      api: { FN_PORT: `${port}`, FN_PUBLIC_LB_URL: `https://localhost:${port + 1}` },
      lb: { FN_PORT: `${port + 1}`, FN_RUNNER_API_URL: `https://localhost:${port}` },
      runner: { FN_PORT: `${port + 2}`, FN_GRPC_PORT: `${port + 3}`, FN_HOT_START_TIMEOUT_MSECS: '30000' },
    };
    host = await SystemdHost.boot({
      roles: ['api', 'lb', 'runner'],
      settings: (role) => ({ ...loopback, ...settings[role] }),
      runners: [`127.0.0.1:${port + 3}`],
    });
    const { FN_TLS_CA = '' } = host.operatorEnv;
    dispatcher = new Agent({ connect: { ca: readFileSync(FN_TLS_CA) } });
    const api = new ApiClient(`https://localhost:${port}`, fleetAccess(host.operatorEnv).fetch);
    const { id } = await deployFunction(api, 'systemd', { name: 'probe', image: PROBE_IMAGE, memory: 128 });
    call = async () => {
      const url = `https://localhost:${port + 1}/invoke/${id}`;
      const { statusCode, body } = await request(url, { method: 'POST', body: '{}', dispatcher });
      await body.dump();
      return statusCode;
    };
  });

  afterAll(async () => {
    await dispatcher?.close();
    await host?.close();
  });

  /** The containers of functions whose sockets are where the units say. */
  async function functions(): Promise<string[]> {
    const all = await docker.listContainers({ all: true });
    return all
      .filter(({ Mounts }) => Mounts.some(({ Source }) => Source.startsWith('/run/fnfleet/')))
      .map(({ Id }) => Id);
  }

  it('serve calls, with no more rights than they have', async () => {
    expect(await call()).toBe(200);
    expect(await functions()).toHaveLength(1);
    for (const role of ['api', 'lb', 'runner']) expect(await host.show(role, 'NRestarts')).toBe('0');
    // With version 2 of control groups the host sees its own only, not those of the engine.
    if (!existsSync('/sys/fs/cgroup/freezer')) return;
    await until({
      what: 'a function that is frozen',
      look: () => host.log('runner').includes('frozen through their control groups') || undefined,
    });
  });

  it('a runner that is killed comes back, and removes what it left', async () => {
    const before = await functions();
    await host.systemctl('kill', '--kill-whom=main', '--signal=KILL', 'fnfleet-runner');
    await host.active('runner', 2);
    await until({
      what: 'the end of what was left',
      look: async () => !(await functions()).some((id) => before.includes(id)) || undefined,
    });
    expect(await host.show('runner', 'NRestarts')).toBe('1');
    await until({ what: 'a call that is answered', look: async () => (await call()) === 200 || undefined });
  });

  it('stop in good order, and leave nothing', async () => {
    await host.systemctl('stop', 'fnfleet-lb', 'fnfleet-runner', 'fnfleet-api');
    for (const role of ['api', 'lb', 'runner']) {
      expect([role, await host.show(role, 'Result'), await host.show(role, 'ExecMainStatus')]).toEqual([
        role,
        'success',
        '0',
      ]);
      expect(host.log(role)).toMatch(/ stopped .*\n$/);
    }
    expect([await functions(), host.leftovers()]).toEqual([[], []]);
  });
});
