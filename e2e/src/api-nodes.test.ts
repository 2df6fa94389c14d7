// needs: postgres
// takes: 45 s
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, PostgresServer, until, within } from '@fnfleet/testing';
import { ApiClient, deployFunction } from 'fnfleet';
import { Agent } from 'undici';
import { invoke } from './harness/invoke.js';
import { Load } from './harness/load.js';
import { NodeProcesses } from './harness/node-processes.js';
import { fetch } from './harness/requests.js';

jest.setTimeout(240_000);

/** More with `FNFLEET_CHANGES=100` and `FNFLEET_KILLS=6`. */
const CHANGES = Number(process.env.FNFLEET_CHANGES ?? 30);
const KILLS = Number(process.env.FNFLEET_KILLS ?? 4);
const SEND_MS = 60_000;
/** Calls that are answered between a kill and a start. */
const CALLS = 150;

/** Two API nodes that share a database, two balancers that know both, and one runner. */
describe.each(['SQLite', 'Postgres'])('a fleet with two API nodes on %s', (database) => {
  let postgres: PostgresServer | undefined;
  let dbUrl: string;
  let nodes: NodeProcesses;
  let port: number;
  let agent: Agent;
  let fnId: string;
  let appId: string;

  beforeEach(async () => {
    nodes = new NodeProcesses();
    port = await freePorts(6);
    postgres = database === 'Postgres' ? await PostgresServer.start({ fsync: true }) : undefined;
    dbUrl = postgres ? postgres.url(await postgres.createDatabase()) : `sqlite3://${nodes.footprint.dataDir}/fn.db`;
    agent = new Agent();
    // They migrate the database at the same time.
    await Promise.all([startApi(0), startApi(1)]);
    await nodes.startRunner('runner', { port: port + 4, grpcPort: port + 5 });
    for (const at of [0, 1]) {
      await nodes.start(`lb${at}`, {
        FN_NODE_TYPE: 'lb',
        FN_PORT: `${port + 2 + at}`,
        FN_RUNNER_API_URL: `${apiUrl(at)},${apiUrl(1 - at)}`,
        FN_RUNNER_ADDRESSES: `127.0.0.1:${port + 5}`,
        // Nothing expires by itself: only the feed can show a change.
        FN_LOOKUP_TTL_MSECS: '3600000',
      });
    }
    const deployed = deployFunction(new ApiClient(apiUrl(0)), 'e2e', { name: 'probe', image: 'probe' });
    const fn = await within(SEND_MS, 'a function at API node 0', deployed);
    fnId = fn.id;
    appId = String((await send('GET', `/v2/fns/${fnId}`)).app_id);
    for (const at of [0, 1]) {
      await until({ what: `balancer ${at} calls`, look: async () => ((await called(at)) === 200 ? true : undefined) });
    }
  });

  afterEach(async () => {
    await agent.close();
    const left = await nodes.stop();
    await postgres?.close();
    expect(left).toEqual([]);
  });

  const apiUrl = (at: number) => `http://127.0.0.1:${port + at}`;
  const lbUrl = (at: number) => `http://127.0.0.1:${port + 2 + at}`;

  function startApi(at: number): Promise<void> {
    return nodes.start(`api${at}`, {
      FN_NODE_TYPE: 'api',
      FN_PORT: `${port + at}`,
      FN_DB_URL: dbUrl,
    });
  }

  async function called(at: number, target = `/invoke/${fnId}`): Promise<number> {
    return (await invoke(`${lbUrl(at)}${target}`, { dispatcher: agent })).status;
  }

  /** A request to any of these API nodes, until one has answered. */
  function send(method: string, target: string, body?: object, among: readonly number[] = [0, 1]) {
    return within(SEND_MS, `an answer to ${method} ${target}`, sendAgain(method, target, body, among));
  }

  async function sendAgain(
    method: string,
    target: string,
    body: object | undefined,
    among: readonly number[],
  ): Promise<Record<string, unknown>> {
    for (let tries = 0; ; tries += 1) {
      try {
        const response = await fetch(`${apiUrl(among[tries % among.length] ?? 0)}${target}`, {
          method,
          body: body && JSON.stringify(body),
        });
        const text = await response.text();
        if (response.ok) return text === '' ? {} : JSON.parse(text);
        // The answer to an earlier try was lost, but the change was made.
        if (tries > 0 && (response.status === 409 || (method === 'DELETE' && response.status === 404))) return {};
        if (response.status < 500) throw new Error(`${method} ${target}: ${response.status} ${text}`);
      } catch (error) {
        if (tries > 200) throw error;
      }
      await sleep(10);
    }
  }

  const trigger = (source: string) => ({ name: source.slice(1), app_id: appId, fn_id: fnId, type: 'http', source });

  it('sees every change at both balancers, long before anything expires', async () => {
    const times: number[] = [];
    /** Until both balancers answer so. */
    const seen = async (target: string, status: number) => {
      const from = performance.now();
      const one = async (at: number) => {
        for (let tries = 0; (await called(at, target)) !== status; tries += 1) {
          if (tries > 10_000) throw new Error(`${target} is not ${status} at balancer ${at}`);
          await sleep(2);
        }
        times.push(performance.now() - from);
      };
      await Promise.all([one(0), one(1)]);
    };
    for (let n = 0; n < CHANGES; n += 1) {
      // Both have just seen that there is none.
      await seen(`/t/e2e/new-${n}`, 404);
      times.splice(-2);
      const { id } = await send('POST', '/v2/triggers', trigger(`/new-${n}`));
      await seen(`/t/e2e/new-${n}`, 200);
      await send('DELETE', `/v2/triggers/${id}`);
      await seen(`/t/e2e/new-${n}`, 404);
    }
    times.sort((a, b) => a - b);
    const quantile = (share: number) => `${times[Math.ceil(share * times.length) - 1]?.toFixed(1)} ms`;
    process.stdout.write(
      `${database}: ${times.length} changes seen by 2 balancers: p50 ${quantile(0.5)}, p99 ${quantile(0.99)}, max ${quantile(1)}\n`,
    );
    expect(times).toHaveLength(4 * CHANGES);
  });

  it('loses no call and no acknowledged change when each node is killed in turn, during calls and changes', async () => {
    const acknowledged: string[] = [];
    let writing = true;
    const write = async (writer: number) => {
      for (let n = 0; writing; n += 1) {
        const source = `/w${writer}-${n}`;
        await send('POST', '/v2/triggers', trigger(source));
        acknowledged.push(source);
      }
    };
    const writers = [0, 1].map(write);
    // Old functions, and triggers that a balancer has never looked up.
    const load = new Load(8, async (id) => {
      const n = Number(id.split('-')[1]);
      const source = n % 2 === 0 ? acknowledged[Math.floor(Math.random() * acknowledged.length)] : undefined;
      const target = source === undefined ? `/invoke/${fnId}` : `/t/e2e${source}`;
      return invoke(`${lbUrl((n >> 1) % 2)}${target}`, { dispatcher: agent });
    });
    for (let n = 0; n < KILLS; n += 1) {
      await load.untilAnswered(CALLS);
      await nodes.kill(`api${n % 2}`);
      await load.untilAnswered(CALLS);
      await startApi(n % 2);
    }
    await load.untilAnswered(CALLS);
    writing = false;
    await Promise.all(writers);
    const { answered, failed } = await load.end();
    const lost: string[] = [];
    for (const source of acknowledged) if ((await called(0, `/t/e2e${source}`)) !== 200) lost.push(source);
    process.stdout.write(
      `${database}: ${KILLS} kills of API nodes: ${answered} calls answered, ${failed.length} failed; ` +
        `${acknowledged.length} changes acknowledged, ${lost.length} lost\n`,
    );
    expect([failed, lost]).toEqual([[], []]);
    // A change is still seen.
    await send('DELETE', `/v2/fns/${fnId}`);
    for (const at of [0, 1]) {
      await until({ what: `deletion at ${at}`, look: async () => ((await called(at)) === 404 ? true : undefined) });
    }
  });

  it('goes on when one hangs: no call fails, and changes are still seen', async () => {
    const hung = nodes.get('api0');
    hung.signal('SIGSTOP');
    try {
      for (let n = 0; n < 20; n += 1) {
        const { id } = await send('POST', '/v2/triggers', trigger(`/hung-${n}`), [1]);
        // Balancer 0 has looked functions up at the node that hangs, and followed its changes.
        const statuses = await Promise.all([0, 1].map((at) => called(at, `/t/e2e/hung-${n}`)));
        expect(statuses).toEqual([200, 200]);
        await send('DELETE', `/v2/triggers/${id}`, undefined, [1]);
        for (const at of [0, 1]) {
          const what = `the deletion at balancer ${at}`;
          await until({
            what,
            look: async () => ((await called(at, `/t/e2e/hung-${n}`)) === 404 ? true : undefined),
          });
        }
      }
    } finally {
      hung.signal('SIGCONT');
    }
  });
});
