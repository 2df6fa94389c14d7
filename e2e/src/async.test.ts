// takes: 25 s
import { freePorts, until } from '@fnfleet/testing';
import { ApiClient, deployFunction } from 'fnfleet';
import { type Answer, invoke } from './harness/invoke.js';
import { NodeProcesses } from './harness/node-processes.js';
import { fetch } from './harness/requests.js';

jest.setTimeout(300_000);

interface CallJson {
  readonly status: string;
  readonly attempts: number;
  readonly error?: string;
  readonly history: readonly { readonly end: string }[];
  readonly result?: { readonly status: number; readonly body: string };
}

/** An API node with a queue on disk, a balancer and a runner, each a process; `chaos/` kills them. */
describe('asynchronous calls', () => {
  let nodes: NodeProcesses;
  let port: number;
  let fn: Awaited<ReturnType<typeof deployFunction>>;
  let fnId: string;

  beforeEach(async () => {
    nodes = new NodeProcesses();
    port = await freePorts(4);
    await startApi();
    await startRunner();
    await startBalancer();
    fn = await deployFunction(new ApiClient(apiUrl()), 'e2e', { name: 'probe', image: 'probe' });
    fnId = fn.id;
  });

  afterEach(async () => {
    expect(await nodes.stop()).toEqual([]);
  });

  const apiUrl = () => `http://127.0.0.1:${port}`;
  const lbUrl = () => `http://127.0.0.1:${port + 1}`;

  const startApi = (env: Readonly<Record<string, string>> = {}) =>
    nodes.start('api', {
      FN_NODE_TYPE: 'api',
      FN_PORT: `${port}`,
      FN_DB_URL: `sqlite3://${nodes.footprint.dataDir}/fn.db`,
      ...env,
    });

  const startBalancer = () =>
    nodes.start('lb', {
      FN_NODE_TYPE: 'lb',
      FN_PORT: `${port + 1}`,
      FN_RUNNER_API_URL: apiUrl(),
      FN_RUNNER_ADDRESSES: `127.0.0.1:${port + 3}`,
    });

  const startRunner = () => nodes.startRunner('runner', { port: port + 2, grpcPort: port + 3 });

  const accept = (knobs: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    invoke(`${lbUrl()}/invoke/${fnId}`, {
      knobs,
      headers: { 'fn-invoke-type': 'async', ...headers },
    });

  async function accepted(knobs: object): Promise<string> {
    const answer = await accept(knobs);
    if (answer.status !== 202) throw new Error(`${answer.status} ${answer.body}`);
    return JSON.parse(String(answer.body)).call_id;
  }

  async function read(callId: string): Promise<CallJson> {
    const response = await fetch(`${apiUrl()}/v2/fns/${fnId}/calls/${callId}`);
    if (response.status !== 200) throw new Error(`${callId}: ${response.status} ${await response.text()}`);
    return (await response.json()) as CallJson;
  }

  const ended = (callId: string): Promise<CallJson> =>
    until({
      what: `end of ${callId}`,
      withinMs: 120_000,
      look: async () => {
        const call = await read(callId).catch(() => undefined);
        return call && ['success', 'error', 'cancelled'].includes(call.status) ? call : undefined;
      },
    });

  it('are answered 202 and run; a poison one is a dead letter, and others do not wait for it', async () => {
    const answer = await accept({ about: true });
    const id = JSON.parse(String(answer.body)).call_id;
    expect(answer).toMatchObject({
      status: 202,
      headers: { 'fn-call-id': id, location: `/v2/fns/${fnId}/calls/${id}` },
    });
    const poison = await accepted({ crash: true });
    const good = await ended(id);
    expect(good).toMatchObject({ status: 'success', attempts: 1, result: { status: 200 } });
    expect(JSON.parse(good.result?.body ?? '').call.headers).toEqual(expect.arrayContaining(['Fn-Attempt', '1']));

    expect(await ended(poison)).toMatchObject({
      status: 'error',
      attempts: 3,
      error: 'error receiving function response',
      history: [{ end: 'retried' }, { end: 'retried' }, { end: 'dead' }],
    });
  });

  it('come in through a trigger whose owner wants that, and what they print can be read, also before a crash', async () => {
    const annotations = { 'fnfleet/invoke-type': 'async' };
    await new ApiClient(apiUrl()).createTrigger(fn, { name: 'hook', type: 'http', source: '/hook', annotations });
    const hook = async (knobs: object) => {
      const answer = await invoke(`${lbUrl()}/t/e2e/hook?x=1`, { knobs });
      expect(answer.status).toBe(202);
      return JSON.parse(String(answer.body)).call_id;
    };
    const logOf = async (id: string) =>
      (await (await fetch(`${apiUrl()}/v2/fns/${fnId}/calls/${id}/log`)).json()) as { readonly log: string };

    const id = await hook({ about: true, stderr: ['careful'] });
    const { status, result } = await ended(id);
    expect([status, await logOf(id)]).toEqual(['success', { call_id: id, log: expect.stringContaining('careful\n') }]);
    const { headers } = JSON.parse(result?.body ?? '').call;
    expect(headers).toEqual(expect.arrayContaining(['Fn-Http-Request-Url', `${lbUrl()}/t/e2e/hook?x=1`]));

    const poison = await hook({ stdout: ['last words'], crash: true });
    expect((await ended(poison)).status).toBe('error');
    expect((await logOf(poison)).log).toContain('last words\n');
  });

  it('are refused when the queue is full, and accepted and run when there is a runner again', async () => {
    await nodes.get('api').stop();
    await startApi({ FN_MQ_MAX_CALLS: '50' });
    await nodes.kill('runner');
    const ids: string[] = [];
    let refusal: Answer | undefined;
    while (refusal === undefined) {
      const answer = await accept({});
      if (answer.status === 202) ids.push(JSON.parse(String(answer.body)).call_id);
      else refusal = answer;
    }
    expect([refusal.status, refusal.headers['retry-after']]).toEqual([503, '15']);
    // Some room is kept for other functions.
    expect(ids).toHaveLength(45);
    await startRunner();
    for (const id of ids) expect((await ended(id)).status).toBe('success');
    expect((await accept({})).status).toBe(202);
  });
});
