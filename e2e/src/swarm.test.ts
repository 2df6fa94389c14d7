// takes: 68 s

import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { until } from '@fnfleet/testing';
import { ApiClient, deployFunction, fleetAccess } from 'fnfleet';
import { Agent } from 'undici';
import type { Answer } from './harness/invoke.js';
import { Load } from './harness/load.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { request } from './harness/requests.js';
import { SwarmStack } from './harness/swarm-stack.js';

jest.setTimeout(300_000);

const CLIENTS = 6;
const SLEEP_MS = 50;

describe('the stack of deploy/swarm: an api, two balancers, three runners, Prometheus', () => {
  let stack: SwarmStack;
  let dispatcher: Agent;
  let fnId: string;
  let balancers: string[];

  beforeAll(async () => {
    stack = await SwarmStack.deploy();
    const { FN_TLS_CA = '' } = stack.operatorEnv;
    dispatcher = new Agent({ connect: { ca: readFileSync(FN_TLS_CA) } });
    const [apiUrl = ''] = await stack.urls('api', 8080);
    const api = new ApiClient(apiUrl, fleetAccess(stack.operatorEnv).fetch);
    fnId = (await deployFunction(api, 'swarm', { name: 'probe', image: PROBE_IMAGE, memory: 128 })).id;
    balancers = await stack.urls('lb', 8080);
    expect(balancers).toHaveLength(2);
    for (const url of balancers) await seen(url, 3);
  });

  afterAll(async () => {
    await dispatcher?.close();
    expect(await stack?.remove()).toEqual([]);
  });

  async function call(url: string, knobs: object = {}): Promise<Answer> {
    const { statusCode, headers, body } = await request(`${url}/invoke/${fnId}`, {
      method: 'POST',
      body: JSON.stringify(knobs),
      dispatcher,
    });
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
  }

  /** Waits until a balancer has found so many runners. */
  async function seen(url: string, runners: number): Promise<void> {
    const { fetch } = fleetAccess(stack.operatorEnv);
    await until({
      what: `${runners} runners at ${url}`,
      look: async () => {
        const fleet = (await (await fetch(`${url}/fleet`)).json()) as { runners: { state: string }[] };
        return fleet.runners.filter(({ state }) => state === 'ok').length === runners || undefined;
      },
    });
  }

  function load(): Load {
    let turn = 0;
    return new Load(CLIENTS, () => {
      turn += 1;
      return call(balancers[turn % balancers.length] ?? '', { sleepMs: SLEEP_MS });
    });
  }

  /** No call may fail meanwhile. If one does, the tasks tell why. */
  async function whileCalling(what: string, action: (calls: Load) => Promise<void>): Promise<void> {
    const calls = load();
    const trouble = await action(calls).catch((error: Error) => error);
    const { answered, failed } = await calls.end();
    print(`swarm, ${what}: ${answered} calls answered, ${failed.length} failed`);
    if (failed.length > 0) print(await stack.said());
    expect(failed).toEqual([]);
    expect(trouble).toBeUndefined();
  }

  it('calls a function through each balancer', async () => {
    for (const url of balancers) expect((await call(url)).status).toBe(200);
  });

  it('answers nobody without a token what is for operators', async () => {
    for (const url of [...balancers, ...(await stack.urls('api', 8080))]) {
      const { statusCode, body } = await request(`${url}/metrics`, { dispatcher });
      expect([statusCode, await body.text()]).toEqual([401, expect.stringContaining('operator')]);
    }
  });

  it('runners that are added and taken away under load cost no call', async () => {
    await whileCalling('3 runners to 4 and back', async (calls) => {
      await calls.untilAnswered(30);
      await stack.scale('runner', 4);
      for (const url of balancers) await seen(url, 4);
      await stack.scale('runner', 3);
      await calls.untilAnswered(30);
    });
  });

  // After what takes longer than its first look.
  it('Prometheus finds every task of every role', async () => {
    const [prometheus = ''] = await stack.urls('prometheus', 9090);
    const targets = await until({
      what: 'six targets that are up',
      withinMs: 120_000,
      look: async () => {
        const up = await query(prometheus.replace('https', 'http'), 'up == 1');
        return up.length === 6 ? up : undefined;
      },
    });
    const jobs = targets.map(({ metric }) => metric.job).sort();
    expect(jobs).toEqual([
      ...['fnfleet-api', 'fnfleet-lb', 'fnfleet-lb'],
      ...['fnfleet-runner', 'fnfleet-runner', 'fnfleet-runner'],
    ]);
  });

  it('rolling all runners under load costs no call', async () => {
    await whileCalling('all runners rolled', async (calls) => {
      await calls.untilAnswered(50);
      await stack.roll('runner');
      await calls.untilAnswered(100);
    });
  });
});

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
}

function query(url: string, expression: string): Promise<readonly Sample[]> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`, { agent: false });
    sent.once('error', reject);
    sent.once('response', (response) => {
      text(response).then((body) => resolve(JSON.parse(body).data.result), reject);
    });
    sent.end();
  });
}

/** For whoever reads the log of the tests. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
