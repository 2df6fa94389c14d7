// needs: docker-compose
// takes: 24 s

import { readFileSync } from 'node:fs';
import { until } from '@fnfleet/testing';
import { ApiClient, deployFunction, fleetAccess } from 'fnfleet';
import { Agent } from 'undici';
import { fnfleet } from './harness/command.js';
import { ComposeFleet } from './harness/compose-fleet.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { request } from './harness/requests.js';

jest.setTimeout(180_000);

/** Prints what the balancer sees, from within its container. */
const FLEET = `
const fs = require('node:fs');
const token = fs.readFileSync('/run/secrets/operator_token', 'utf8').trim();
const options = { headers: { authorization: 'Bearer ' + token }, rejectUnauthorized: false };
require('node:https').get('https://127.0.0.1:8080/fleet?ask=1', options, (answer) => answer.pipe(process.stdout));
`;

describe('the fleet of deploy/compose: an api, a balancer, a runner, Prometheus', () => {
  let fleet: ComposeFleet;
  let dispatcher: Agent;
  let probe = '';

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
    probe = id;
    const { statusCode, body } = await request(`https://${await fleet.address('lb', 8080)}/invoke/${id}`, {
      method: 'POST',
      body: '{}',
      dispatcher,
    });
    expect([statusCode, (await body.text()).length > 0]).toEqual([200, true]);
  });

  it('an operator with the lines that certs.sh prints sees the fleet and what functions say, from outside', async () => {
    const lines = [...fleet.certsSaid.matchAll(/\b(FN_TLS_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]);
    expect(lines.map(([name]) => name)).toEqual(['FN_TLS_CERT', 'FN_TLS_KEY', 'FN_TLS_CA']);
    const env = {
      ...Object.fromEntries(lines),
      FN_API_URL: `https://${await fleet.address('api', 8080)}`,
      FN_LB_URL: `https://${await fleet.address('lb', 8080)}`,
    };
    const status = await fnfleet(['status'], env);
    expect(status).toMatchObject({ code: 0, output: expect.stringContaining('all is well') });
    const { body } = await request(`${env.FN_LB_URL}/invoke/${probe}`, {
      method: 'POST',
      body: '{"stdout":["from a container"]}',
      dispatcher,
    });
    await body.dump();
    await until({
      what: 'what the function printed',
      look: async () => {
        const { output } = await fnfleet(['logs', 'probe', '--app', 'compose', '--no-follow'], env);
        return output.includes('from a container') || undefined;
      },
    });
  });

  it('an operator drains a runner that only the balancer reaches, and brings it back', async () => {
    const [, FN_TLS_CERT = '', FN_TLS_KEY = '', FN_TLS_CA = ''] =
      /FN_TLS_CERT=(\S+) FN_TLS_KEY=(\S+) FN_TLS_CA=(\S+)/.exec(fleet.certsSaid) ?? [];
    const env = { FN_TLS_CERT, FN_TLS_KEY, FN_TLS_CA, FN_LB_URL: `https://${await fleet.address('lb', 8080)}` };
    const [{ fleet: seen }] = JSON.parse((await fnfleet(['status', '--json'], env)).output).balancers as [
      { fleet: { runners: { address: string }[] } },
    ];
    const runner = seen.runners[0]?.address ?? '';
    const drained = await fnfleet(['drain', runner, '--force'], env);
    expect(drained).toMatchObject({
      code: 0,
      output: expect.stringContaining(`takes no new calls (requested through ${env.FN_LB_URL})`),
    });
    const back = await fnfleet(['undrain', runner], env);
    expect(back).toMatchObject({ code: 0, output: expect.stringContaining(`${runner} is ready`) });
  });

  it('an operator with the CA and the token alone is told that this is fine', async () => {
    const { output } = await fnfleet(['doctor'], { ...fleet.operatorEnv, FN_PORT: '0' });
    expect(output).toMatch(/tls .*ca\.crt identifies the servers of the fleet/);
  });

  it('the command is on the path in the containers, and the doctor there agrees with its runner on memory', async () => {
    expect(await fleet.exec('lb', 'fnfleet', '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    const said = await fleet.exec('runner', 'fnfleet', 'doctor').catch(({ stdout }: { stdout: string }) => stdout);
    const [, doctors = ''] = /memory +([\d.]+) GiB/.exec(said) ?? [];
    const { runners } = JSON.parse(await fleet.exec('lb', 'node', '-e', FLEET)) as {
      runners: { load: { memory_total_bytes: number } }[];
    };
    const runnersOwn = (runners[0]?.load.memory_total_bytes ?? 0) / 2 ** 30;
    // What the machine has left changes from moment to moment.
    expect(Math.abs(Number(doctors) - runnersOwn)).toBeLessThan(runnersOwn / 4);
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
