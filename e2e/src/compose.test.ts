import { readFileSync } from 'node:fs';
import { ApiClient, deployFunction, fleetAccess } from 'fnfleet';
import { Agent, request } from 'undici';
import { ComposeFleet } from './harness/compose-fleet.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { until } from './harness/until.js';

jest.setTimeout(180_000);

describe('the fleet of deploy/compose: an api, a balancer, a runner, Prometheus', () => {
  let fleet: ComposeFleet;
  let dispatcher: Agent;

  beforeAll(async () => {
    fleet = await ComposeFleet.up(['api', 'lb', 'runner', 'prometheus']);
    const { FN_TLS_CA = '' } = fleet.operatorEnv;
    dispatcher = new Agent({ connect: { ca: readFileSync(FN_TLS_CA) } });
  });

  afterAll(async () => {
    await dispatcher?.close();
    expect(await fleet?.down()).toEqual([]);
  });

  it('deploys a function and calls it', async () => {
    const api = new ApiClient(`https://${await fleet.address('api', 8080)}`, fleetAccess(fleet.operatorEnv).fetch);
    const { id } = await deployFunction(api, 'compose', { name: 'probe', image: PROBE_IMAGE, memory: 128 });
    const { statusCode, body } = await request(`https://${await fleet.address('lb', 8080)}/invoke/${id}`, {
      method: 'POST',
      body: '{}',
      dispatcher,
    });
    expect([statusCode, (await body.text()).length > 0]).toEqual([200, true]);
  });

  it('shows nobody without a token what is for operators', async () => {
    for (const service of ['api', 'lb']) {
      const { statusCode, body } = await request(`https://${await fleet.address(service, 8080)}/metrics`, {
        dispatcher,
      });
      await body.dump();
      expect(statusCode).toBe(401);
    }
  });

  it('Prometheus sees every role', async () => {
    const url = `http://${await fleet.address('prometheus', 9090)}/api/v1/query?query=${encodeURIComponent('up == 1')}`;
    const jobs = await until({
      what: 'three targets that are up',
      withinMs: 120_000,
      look: async () => {
        const { body } = await request(url);
        const { data } = (await body.json()) as { data: { result: { metric: { job: string } }[] } };
        return data.result.length === 3 ? data.result.map(({ metric }) => metric.job).sort() : undefined;
      },
    });
    expect(jobs).toEqual(['fnfleet-api', 'fnfleet-lb', 'fnfleet-runner']);
  });

  it('Prometheus has the alerts', async () => {
    const { body } = await request(`http://${await fleet.address('prometheus', 9090)}/api/v1/rules`);
    const { data } = (await body.json()) as { data: { groups: { rules: { health: string }[] }[] } };
    const rules = data.groups.flatMap((group) => group.rules);
    expect([rules.length > 30, rules.filter(({ health }) => health === 'err')]).toEqual([true, []]);
  });

  it('only the runner has the engine', async () => {
    const [runner, ...others] = await Promise.all(
      ['runner', 'api', 'lb', 'prometheus'].map(async (service) => {
        const containers = await fleet.containers(service);
        return containers.flatMap(({ Mounts }) => Mounts.map(({ Source }) => Source)).includes('/var/run/docker.sock');
      }),
    );
    expect([runner, ...others]).toEqual([true, false, false, false]);
  });
});
