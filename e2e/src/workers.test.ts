import { readFileSync } from 'node:fs';
import path from 'node:path';
import { until } from '@fnfleet/testing';
import { Client } from 'undici';
import { FnfleetCommand } from './harness/command.js';
import { Fleet } from './harness/fleet.js';
import { type Answer, invoke, reportOf } from './harness/invoke.js';
import { Load } from './harness/load.js';
import { ROOT } from './harness/paths.js';
import { request } from './harness/requests.js';

jest.setTimeout(120_000);

const WORKERS = 2;

describe('a balancer of two processes', () => {
  let fleet: Fleet;
  let url: string;

  beforeAll(async () => {
    fleet = await Fleet.start({
      runners: 2,
      settings: { FN_DRIVER: 'process', FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions') },
      settingsOf: (node): Record<string, string> =>
        node === 'lb' ? { FN_WORKERS: String(WORKERS), FN_EXPLAIN_CALLS: '100' } : {},
    });
    url = await fleet.deployed({ name: 'probe', image: 'probe' });
  });

  afterAll(async () => {
    const left = await fleet?.stop();
    expect([left, workers()]).toEqual([[], []]);
  });

  /** Their process ids. */
  function workers(): number[] {
    const { lbPid } = fleetPids;
    try {
      const children = readFileSync(`/proc/${lbPid}/task/${lbPid}/children`, 'utf8').trim();
      return children === '' ? [] : children.split(' ').map(Number);
    } catch {
      return []; // it has ended
    }
  }
  const fleetPids = {
    get lbPid() {
      this.known ??= fleet.pid('lb');
      return this.known;
    },
    known: undefined as number | undefined,
  };

  /** Over a connection of its own, so that one worker after the other has its turn. */
  async function ask(target: string, method: 'GET' | 'PUT' | 'DELETE' = 'GET') {
    const client = new Client(fleet.lbUrl);
    try {
      const answer = await client.request({ path: target, method });
      return { status: answer.statusCode, text: await answer.body.text() };
    } finally {
      await client.close();
    }
  }

  async function callOnce(headers: Record<string, string> = {}): Promise<Answer> {
    const client = new Client(fleet.lbUrl);
    try {
      return await invoke(url, { dispatcher: client, headers });
    } finally {
      await client.close();
    }
  }

  it('is one balancer to callers and operators: calls are counted, found and steered whichever process is asked', async () => {
    expect(workers()).toHaveLength(WORKERS);
    const before = await fleet.metric('fn_calls');
    const answers = await Promise.all(Array.from({ length: 20 }, () => callOnce()));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    for (let i = 0; i < 2 * WORKERS; i += 1) {
      const [, counted] = /^fn_calls_total (\d+)$/m.exec((await ask('/metrics')).text) ?? [];
      expect(Number(counted) - before).toBe(20);
    }

    const callId = String(answers[0]?.headers['fn-call-id']);
    for (let i = 0; i < 2 * WORKERS; i += 1) {
      expect(JSON.parse((await ask(`/explain/${callId}`)).text)).toMatchObject({ call_id: callId, state: 'answered' });
    }
    expect((await ask('/explain/01D37QXXXXXXXXXXXXXXXXXXXX')).status).toBe(404);

    const [cordoned = '', other = ''] = fleet.runnerAddresses;
    expect((await ask(`/fleet/cordons/${cordoned}`, 'PUT')).status).toBe(200);
    for (let i = 0; i < 2 * WORKERS; i += 1) {
      const { cordons, runners } = JSON.parse((await ask('/fleet?ask=1')).text);
      expect([cordons, runners]).toMatchObject([
        [cordoned],
        [
          { address: cordoned, state: 'cordoned' },
          { address: other, state: 'ok' },
        ],
      ]);
    }
    const runners = await Promise.all(Array.from({ length: 20 }, () => callOnce({ 'fn-explain': '1' })));
    for (const { headers } of runners) expect(String(headers['fn-explain'])).not.toContain(`runner=${cordoned}`);
    expect((await ask(`/fleet/cordons/${cordoned}`, 'DELETE')).status).toBe(200);
    expect(JSON.parse((await ask('/fleet')).text).cordons).toEqual([]);
  });

  it('a worker that is killed is replaced, which knows the cordons; counters do not go back', async () => {
    const [cordoned = ''] = fleet.runnerAddresses;
    await ask(`/fleet/cordons/${cordoned}`, 'PUT');
    const meanwhile = new Load(8, () => callOnce());
    await meanwhile.untilAnswered(50);
    const counted = await fleet.metric('fn_calls');
    const [victim = 0] = workers();
    process.kill(victim, 'SIGKILL');
    await until({
      what: 'another worker',
      look: () => (workers().length === WORKERS && !workers().includes(victim)) || undefined,
    });
    // Connections are dealt to a worker until its end has been noticed: calls of that time are cut off, and none is refused.
    const { failed: cutOff } = await meanwhile.end();
    expect(cutOff.filter(({ how }) => /^\d/.test(how))).toEqual([]);
    const afterwards = new Load(8, () => callOnce());
    await afterwards.untilAnswered(50);
    expect((await afterwards.end()).failed).toEqual([]);
    expect(await fleet.metric('fn_calls')).toBeGreaterThan(counted);
    for (let i = 0; i < 2 * WORKERS; i += 1) {
      const { cordons, runners } = JSON.parse((await ask('/fleet?ask=1')).text);
      expect([cordons, runners[0]?.state]).toEqual([[cordoned], 'cordoned']);
    }
    await ask(`/fleet/cordons/${cordoned}`, 'DELETE');
  });

  it('drains as one: calls in hand are answered, then the port is free', async () => {
    const slow = Array.from({ length: 6 }, () => {
      const client = new Client(fleet.lbUrl);
      return invoke(url, { dispatcher: client, knobs: { sleepMs: 1500 } }).finally(() => client.destroy());
    });
    await until({
      what: 'six calls under way',
      look: async () => JSON.parse((await ask('/fleet')).text).in_flight === 6 || undefined,
    });
    const restarted = fleet.restart('lb');
    for (const answer of await Promise.all(slow)) expect(reportOf(answer).instance).toBeDefined();
    await restarted;
    fleetPids.known = undefined;
    expect((await request(`${fleet.lbUrl}/healthz`)).statusCode).toBe(200);
    expect(workers()).toHaveLength(WORKERS);
  });

  it('that cannot listen says so once, and ends', async () => {
    const { port, hostname } = new URL(fleet.lbUrl);
    const env = {
      FN_NODE_TYPE: 'lb',
      FN_WORKERS: '2',
      FN_BIND_ADDRESS: hostname,
      FN_PORT: port,
      FN_RUNNER_API_URL: fleet.apiUrl,
      FN_RUNNER_ADDRESSES: fleet.runnerAddresses.join(','),
    };
    const second = new FnfleetCommand(['node'], { env });
    expect((await second.ended).code).toBe(1);
    expect(second.output.match(/EADDRINUSE/g)).toHaveLength(1);
  });
});
