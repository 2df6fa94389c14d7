// needs: postgres, nats-server
// takes: 15 s
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePorts, NatsServer, PostgresServer, until } from '@fnfleet/testing';
import { ApiClient, deployFunction } from 'fnfleet';
import { invoke } from './harness/invoke.js';
import { NodeProcesses } from './harness/node-processes.js';
import { fetch } from './harness/requests.js';

jest.setTimeout(120_000);

interface CallJson {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly history: readonly { readonly end: string }[];
  readonly result?: { readonly status: number; readonly body: string };
}

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Two API nodes on one database, and on one queue; a balancer that knows both; and a runner. */
describe.each(['Postgres', 'NATS'])('two API nodes with a queue in %s', (store) => {
  let postgres: PostgresServer;
  let nats: NatsServer | undefined;
  let receiver: Server;
  let deliveries: Delivery[];
  let processes: NodeProcesses;
  let port: number;
  let settings: Readonly<Record<string, string>>;

  beforeAll(async () => {
    processes = new NodeProcesses();
    port = await freePorts(5);
    postgres = await PostgresServer.start({ fsync: true });
    nats = store === 'NATS' ? await NatsServer.start() : undefined;
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        deliveries.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    settings = {
      FN_NODE_TYPE: 'api',
      FN_DB_URL: postgres.url(await postgres.createDatabase()),
      FN_CALLBACK_SECRET: 'the secret of the fleet quite long enough',
      FN_CALLBACK_ALLOW: '127.0.0.1',
      // The server is killed by nobody here.
      ...(nats && { FN_MQ_URL: nats.url(), FN_MQ_ALLOW_UNSYNCED: '1' }),
    };
    await Promise.all([
      startApi(0),
      startApi(1),
      processes.startRunner('runner', { port: port + 3, grpcPort: port + 4 }),
      processes.start('lb', {
        FN_NODE_TYPE: 'lb',
        FN_PORT: `${port + 2}`,
        FN_RUNNER_API_URL: `${apiUrl(0)},${apiUrl(1)}`,
        FN_RUNNER_ADDRESSES: `127.0.0.1:${port + 4}`,
      }),
    ]);
  });

  afterAll(async () => {
    const left = await processes.stop();
    receiver.closeAllConnections();
    receiver.close();
    await nats?.close();
    await postgres.close();
    expect(left).toEqual([]);
  });

  beforeEach(() => {
    deliveries = [];
  });

  const apiUrl = (at: number) => `http://127.0.0.1:${port + at}`;
  const startApi = (at: number) => processes.start(`api${at}`, { ...settings, FN_PORT: `${port + at}` });

  async function deployed(name: string, annotations: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return (await deployFunction(new ApiClient(apiUrl(0)), 'e2e', { name, image: 'probe', annotations })).id;
  }

  async function accept(fnId: string, knobs: object, headers: Readonly<Record<string, string>> = {}) {
    const answer = await until({
      what: 'an answer of a node that has the queue',
      look: async () => {
        const said = await invoke(`http://127.0.0.1:${port + 2}/invoke/${fnId}`, {
          knobs,
          headers: { 'fn-invoke-type': 'async', ...headers },
        });
        return said.status === 503 ? undefined : said;
      },
    });
    if (answer.status !== 202) throw new Error(`${answer.status} ${answer.body}`);
    return JSON.parse(String(answer.body)) as { readonly call_id: string; readonly duplicate: boolean };
  }

  /** Of the node that has the queue: with NATS, that is one of them. */
  async function ask<T = unknown>(method: string, target: string, body?: object): Promise<{ status: number; body: T }> {
    return until({
      what: `${method} ${target}`,
      look: async () => {
        for (const at of [0, 1]) {
          const response = await fetch(apiUrl(at) + target, { method, body: body && JSON.stringify(body) }).catch(
            () => undefined,
          );
          const text = await response?.text();
          if (response === undefined || response.status >= 500) continue;
          return { status: response.status, body: (text ? JSON.parse(text) : undefined) as T };
        }
        return undefined;
      },
    });
  }

  const callsOf = async (fnId: string): Promise<CallJson[]> =>
    (await ask<{ items: CallJson[] }>('GET', `/v2/fns/${fnId}/calls?per_page=100`)).body.items;

  const ended = (fnId: string, callId: string): Promise<CallJson> =>
    until({
      what: `end of ${callId}`,
      look: async () => {
        const { body: call } = await ask<CallJson>('GET', `/v2/fns/${fnId}/calls/${callId}`);
        return ['success', 'error', 'cancelled'].includes(call.status) ? call : undefined;
      },
    });

  /** As the documentation tells receivers to compute it. */
  function signatureOf({ headers, body }: Delivery, key: string): string {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    return `v1,${createHmac('sha256', Buffer.from(key.replace('whsec_', ''), 'base64'))
      .update(signed)
      .digest('base64')}`;
  }

  it('run a call that is sent twice with its key once', async () => {
    const fnId = await deployed('keyed');
    const first = await accept(fnId, { body: 'meow' }, { 'idempotency-key': 'order-7' });
    expect(await accept(fnId, { body: 'meow' }, { 'idempotency-key': 'order-7' })).toEqual({
      call_id: first.call_id,
      duplicate: true,
    });
    expect(await ended(fnId, first.call_id)).toMatchObject({
      status: 'success',
      attempts: 1,
      result: { body: 'meow' },
    });
    expect(await callsOf(fnId)).toHaveLength(1);
  });

  it('retry a call that fails, keep it as a dead letter, and run it again when that is wanted', async () => {
    const fnId = await deployed('failing', { 'fnfleet/async': { attempts: 2, backoff: 0.05 } });
    const { call_id } = await accept(fnId, { status: 502 });
    const ends = (call: CallJson) => [call.status, ...call.history.map(({ end }) => end)];
    expect(ends(await ended(fnId, call_id))).toEqual(['error', 'retried', 'dead']);
    expect((await ask('POST', `/v2/fns/${fnId}/dead/redrive`, { call_id })).body).toEqual({ changed: 1 });
    expect(ends(await ended(fnId, call_id))).toEqual(['error', 'retried', 'dead', 'retried', 'dead']);
  });

  it('cancel a call that waits', async () => {
    const fnId = await deployed('late');
    const { call_id } = await accept(fnId, {}, { 'fn-delay': '60' });
    const target = `/v2/fns/${fnId}/calls/${call_id}`;
    expect((await ask('GET', target)).body).toMatchObject({ status: 'delayed' });
    expect((await ask('DELETE', target)).status).toBe(204);
    expect(await ended(fnId, call_id)).toMatchObject({ status: 'cancelled', attempts: 0 });
    expect((await ask('DELETE', target)).status).toBe(409);
  });

  it('deliver signed callbacks for success and for failure', async () => {
    const { port: at } = receiver.address() as AddressInfo;
    const url = `http://127.0.0.1:${at}/done`;
    const annotations = {
      'fnfleet/callbacks': { on_success: { url }, on_failure: { url } },
      'fnfleet/async': { attempts: 1 },
    };
    const fnId = await deployed('telling', annotations);
    const good = await accept(fnId, { body: 'meow' });
    const bad = await accept(fnId, { status: 502 });
    await until({ what: 'two deliveries', look: () => deliveries.length === 2 || undefined });
    const { keys } = (await ask<{ keys: [string] }>('GET', `/v2/fns/${fnId}/callbacks/keys`)).body;
    for (const delivery of deliveries) {
      expect(delivery.headers['webhook-signature']).toBe(signatureOf(delivery, keys[0]));
    }
    const told = deliveries.map(({ body }) => JSON.parse(body)).sort((one, other) => (one.type < other.type ? 1 : -1));
    expect(told).toMatchObject([
      { type: 'call.succeeded', data: { call_id: good.call_id, result: { body: 'meow' } } },
      { type: 'call.failed', data: { call_id: bad.call_id, error_code: 'functionFailed' } },
    ]);
  });

  it('fire each instant of a schedule once', async () => {
    const fnId = await deployed('ticking');
    const { app_id } = (await ask<{ app_id: string }>('GET', `/v2/fns/${fnId}`)).body;
    const trigger = { name: 'tick', app_id, fn_id: fnId, type: 'schedule', source: '* * * * * *' };
    const annotations = { 'fnfleet/schedule': { body: { about: true }, catch_up: 'all' } };
    const { id } = (await ask<{ id: string }>('POST', '/v2/triggers', { ...trigger, annotations })).body;
    await until({ what: 'three firings', look: async () => (await callsOf(fnId)).length >= 3 || undefined });
    expect((await ask('DELETE', `/v2/triggers/${id}`)).status).toBe(204);
    const instants: number[] = [];
    for (const call of await callsOf(fnId)) {
      const { result } = await ended(fnId, call.id);
      const { headers } = JSON.parse(result?.body ?? '').call as { headers: string[] };
      expect(headers[headers.indexOf('Fn-Schedule-Id') + 1]).toBe(id);
      instants.push(Date.parse(headers[headers.indexOf('Fn-Schedule-Due') + 1] ?? ''));
    }
    instants.sort();
    expect(instants).toEqual(instants.map((_, at) => (instants[0] ?? Number.NaN) + at * 1_000));
  });

  it('go on when one of them is killed, and then the other one', async () => {
    const { port: receiving } = receiver.address() as AddressInfo;
    const url = `http://127.0.0.1:${receiving}/done`;
    const fnId = await deployed('going-on', { 'fnfleet/callbacks': { on_success: { url } } });
    for (const at of [0, 1]) {
      await processes.kill(`api${at}`);
      const key = { 'idempotency-key': `kill-${at}` };
      const accepted = () => accept(fnId, { body: `${at}` }, key).catch(() => undefined);
      const { call_id } = await until({ what: 'a call is accepted', look: accepted });
      expect(await ended(fnId, call_id)).toMatchObject({ status: 'success', result: { body: `${at}` } });
      await until({
        what: 'its callback',
        look: () => deliveries.some(({ body }) => body.includes(call_id)) || undefined,
      });
      await startApi(at);
    }
  });
});
