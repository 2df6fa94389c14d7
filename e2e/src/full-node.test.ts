// takes: 13 s
import { freePorts, until } from '@fnfleet/testing';
import { ApiClient, deployFunction, invokeUrl } from 'fnfleet';
import { FnfleetCommand } from './harness/command.js';
import { PATIENCE } from './harness/fleet.js';
import { Footprint } from './harness/footprint.js';
import { errorOf, invoke, reportOf } from './harness/invoke.js';
import { PROBE_IMAGE } from './harness/paths.js';
import { request } from './harness/requests.js';

jest.setTimeout(120_000);

/** What the `fn` command line sends for dates it does not have. */
const NO_DATES = { created_at: '0001-01-01T00:00:00.000Z', updated_at: '0001-01-01T00:00:00.000Z' };

describe('a full node: one process, one port, no settings but places', () => {
  let footprint: Footprint;
  let node: FnfleetCommand | undefined;
  let url: string;

  beforeEach(async () => {
    footprint = new Footprint();
    const port = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    node = await start();
  });

  afterEach(async () => {
    await node?.stop();
    const left = await footprint.leftovers();
    footprint.remove();
    expect(left).toEqual([]);
    expect(node?.output).not.toMatch(/uncaught error|unhandled rejection/);
  });

  async function start(): Promise<FnfleetCommand> {
    const { port, hostname } = new URL(url);
    const places = { FN_PORT: port, FN_BIND_ADDRESS: hostname, FN_DB_URL: `sqlite3://${footprint.dataDir}/fn.db` };
    const started = new FnfleetCommand(['node'], { env: { ...footprint.env, ...PATIENCE, ...places } });
    await started.ready();
    return started;
  }

  async function rest(method: 'GET' | 'POST' | 'PUT' | 'DELETE', target: string, body?: object) {
    const answer = await request(`${url}${target}`, { method, body: body && JSON.stringify(body) });
    const text = await answer.body.text();
    return { status: answer.statusCode, json: text === '' ? undefined : JSON.parse(text) };
  }

  async function metric(name: string): Promise<number> {
    const { body } = await invoke(`${url}/metrics`, { method: 'GET' });
    return Number(body.toString().match(new RegExp(`^fn_${name}(?:\\{.*\\})? (\\d+)`, 'm'))?.[1] ?? 0);
  }

  it('takes what the fn command line sends, and runs it', async () => {
    const app = (await rest('POST', '/v2/apps', { ...NO_DATES, name: 'shop', config: { A: '1' } })).json;
    const made = await rest('POST', '/v2/fns', {
      ...NO_DATES,
      app_id: app.id,
      name: 'cart',
      image: PROBE_IMAGE,
      memory: 128,
    });
    const trigger = { ...NO_DATES, app_id: app.id, fn_id: made.json.id, name: 'open', type: 'http', source: '/cart' };
    const opened = await rest('POST', '/v2/triggers', trigger);
    const invokeEndpoint = made.json.annotations['fnproject.io/fn/invokeEndpoint'];
    const triggerEndpoint = opened.json.annotations['fnproject.io/trigger/httpEndpoint'];
    expect([invokeEndpoint, triggerEndpoint]).toEqual([`${url}/invoke/${made.json.id}`, `${url}/t/shop/cart`]);

    const first = reportOf(await invoke(invokeEndpoint));
    const again = reportOf(await invoke(invokeEndpoint));
    expect(again).toMatchObject({ instance: first.instance, request: 2 });

    const headers = { 'Fn-Http-Status': '201', 'Fn-Http-H-X-Reply': 'yes' };
    const answer = await invoke(`${triggerEndpoint}?a=1`, { method: 'PUT', knobs: { headers, body: 'opened' } });
    expect([answer.status, answer.headers['x-reply'], answer.body.toString()]).toEqual([201, 'yes', 'opened']);

    await rest('PUT', `/v2/fns/${made.json.id}`, { id: made.json.id, config: { B: '2' } });
    const { env } = JSON.parse((await invoke(invokeEndpoint, { knobs: { env: true } })).body.toString());
    expect(env).toMatchObject({ A: '1', B: '2', FN_TYPE: 'sync' });

    expect((await rest('DELETE', `/v2/apps/${app.id}`)).status).toBe(204);
    expect(errorOf(await invoke(invokeEndpoint))).toEqual([404, 'Fn not found']);
  });

  it('answers failures of functions as a balancer does, and goes on', async () => {
    const probe = await deployed({ name: 'probe', timeout: 2 });
    const hog = await deployed({ name: 'hog', memory: 64 });
    const died = 'error receiving function response';

    expect(errorOf(await invoke(probe, { knobs: { crash: true } }))).toEqual([502, died]);
    expect(errorOf(await invoke(probe, { knobs: { garbage: true } }))).toEqual([502, died]);
    expect(errorOf(await invoke(probe, { knobs: { status: 418 } }))).toEqual([502, 'invalid function response']);
    expect(errorOf(await invoke(probe, { knobs: { sleepMs: 50_000 } }))).toEqual([504, 'Timed out']);
    expect(errorOf(await invoke(hog, { knobs: { hogMb: 256 } }))).toEqual([502, died]);
    expect((await invoke(probe, { knobs: { body: 'still here' } })).body.toString()).toBe('still here');

    const large = Buffer.alloc(2_000_000, 'large');
    expect((await invoke(probe, { body: large, knobs: { echo: true } })).body.equals(large)).toBe(true);
  });

  it('answers a detached call when it begins, and lets it end', async () => {
    const probe = await deployed({ name: 'probe' });
    await invoke(probe);

    const answer = await invoke(probe, { knobs: { sleepMs: 1_500 }, headers: { 'fn-invoke-type': 'detached' } });
    expect([answer.status, answer.body.length]).toEqual([202, 0]);
    expect(await metric('running')).toBe(1);
    await until({
      what: 'it ends well',
      look: async () => ((await metric('completed_total')) === 2 ? true : undefined),
    });
  });

  it('http-api 17: finishes the call in hand when SIGTERM arrives; what is stored is there the next time', async () => {
    const probe = await deployed({ name: 'probe' });
    const answer = invoke(probe, { knobs: { sleepMs: 3_000, body: 'was not lost' } });
    await until({ what: 'the call runs', look: async () => ((await metric('running')) === 1 ? true : undefined) });
    // Otherwise finding nothing at the end would prove nothing.
    expect(await footprint.containers()).toHaveLength(1);

    node?.signal('SIGTERM');
    await node?.prints(/draining/);
    await expect(invoke(probe)).rejects.toThrow(/ECONNREFUSED|ECONNRESET|other side closed/);

    expect((await answer).body.toString()).toBe('was not lost');
    expect(await node?.ended).toEqual({ code: 0, signal: null });
    expect(await footprint.leftovers()).toEqual([]);

    node = await start();
    expect((await invoke(probe, { knobs: { body: 'known again' } })).body.toString()).toBe('known again');
  });

  async function deployed(spec: { name: string; memory?: number; timeout?: number }) {
    return invokeUrl(await deployFunction(new ApiClient(url), 'e2e', { image: PROBE_IMAGE, ...spec }));
  }
});
