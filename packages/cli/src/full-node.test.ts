// takes: 4 s
import { buffer } from 'node:stream/consumers';
import { agentSettings, newAgent } from '@fnfleet/agent';
import { apiSettings } from '@fnfleet/api';
import { FnError, LONG_AGO, MIB, RecordedMetrics, readSettings } from '@fnfleet/core';
import { exitsAtStart, fn, type ScriptedDriver, scriptedDriver } from '@fnfleet/drivers';
import { lbSettings } from '@fnfleet/lb-agent';
import { FullNode } from '@fnfleet/node/roles';
import { eventually } from '@fnfleet/testing';
import { ApiClient, type FnSpec } from './api-client.js';
import { deployFunction, deploy as deployWith, invokeUrl, triggerUrl } from './deploy/deploy.js';

const metrics = RecordedMetrics.install();
const { executionHeadroomMs, completeBodyBytes, clientStallMs, requestIdHeader, asyncConsumers } = lbSettings;
const own = { executionHeadroomMs, completeBodyBytes, clientStallMs, requestIdHeader, asyncConsumers };
const shape = { ...apiSettings, ...agentSettings, ...own };
const TOTALS = { memoryBytes: 300 * MIB, cpuMillis: 4000 };

/** A function that is held until a test lets it go on. */
class Held {
  private readonly arrival = Promise.withResolvers<void>();
  private readonly release = Promise.withResolvers<void>();
  readonly arrived = this.arrival.promise;
  private readonly leaving = Promise.withResolvers<void>();
  readonly callerLeft = this.leaving.promise;

  readonly handler = fn(async (req, res) => {
    await buffer(req);
    res.once('close', () => res.writableFinished || this.leaving.resolve());
    this.arrival.resolve();
    await this.release.promise;
    res.end('let go');
  });

  letGo(): void {
    this.release.resolve();
  }
}

let driver: ScriptedDriver;
let node: FullNode;
let held: Held;

async function start(env: Record<string, string> = {}): Promise<void> {
  held = new Held();
  driver = scriptedDriver({
    functions: {
      echo: fn(async (req, res) => res.setHeader('X-Probe', 'yes').end(await buffer(req))),
      greet: fn((_req, res, container) => res.end(`hello ${container.spec.env.NAME ?? 'nobody'}`)),
      tells: fn(async (req, res) => {
        res.end(JSON.stringify({ headers: req.headers, body: String(await buffer(req)) }));
      }),
      fails: fn((_req, res) => res.writeHead(502).end()),
      broken: exitsAtStart(3),
      talks: fn((_req, res, container) => {
        container.print('uh\n', 'stderr');
        res.end();
      }),
      held: held.handler,
      slow: { ...fn((_req, res) => res.end('here')), pull: { since: LONG_AGO, receivedBytes: 1, totalBytes: 2 } },
    },
  });
  const settings = readSettings(shape, { FN_DB_URL: 'sqlite3://:memory:', ...env });
  const agent = newAgent({ driver, settings, totals: TOTALS });
  node = new FullNode({ agent, settings, host: '127.0.0.1', port: 0 });
  await node.ready;
}

beforeEach(() => metrics.reset());

afterEach(async () => {
  held.letGo();
  await node.close();
  expect(driver.counters.live).toBe(0);
  for (const gauge of ['queued', 'running', 'util_mem_used', 'container_busy_total'] as const) {
    expect([gauge, metrics.sum(gauge)]).toEqual([gauge, 0]);
  }
});

function deploy(spec: Partial<FnSpec> & { readonly image: string }) {
  return deployFunction(new ApiClient(node.address.url), 'shop', { name: spec.image, ...spec });
}

const deployed = async (spec: Parameters<typeof deploy>[0]) => invokeUrl(await deploy(spec));

async function send(method: string, path: string, body?: object): Promise<{ status: number; body: string }> {
  const response = await fetch(`${node.address.url}${path}`, { method, body: body && JSON.stringify(body) });
  return { status: response.status, body: await response.text() };
}

const invoke = (url: string, init: RequestInit = {}) => fetch(url, { method: 'POST', ...init });
const messageOf = async (response: Response) => (JSON.parse(await response.text()) as { message: string }).message;

it('serves the calls that the OpenAPI document describes', async () => {
  await start();
  const document = JSON.parse((await send('GET', '/v2/openapi.json')).body) as { paths: Record<string, object> };
  const calls = Object.entries(document.paths).filter(([path]) => !path.startsWith('/v2/'));
  expect(calls.map(([path]) => path)).toEqual(['/invoke/{fn_id}', '/t/{app_name}', '/t/{app_name}/{trigger_source}']);
  for (const [path, { servers, ...methods }] of calls as [string, Record<string, object>][]) {
    expect(servers).toEqual([{ url: '/', description: expect.any(String) }]);
    for (const method of Object.keys(methods)) {
      const answer = await send(method.toUpperCase(), path.replace(/\{\w+\}/g, 'x'));
      expect([method, path, answer.status]).toEqual([method, path, 404]);
      if (method !== 'head') expect(answer.body).toMatch(/"message":"(Fn|App) not found"/);
    }
  }
});

describe('an asynchronous call', () => {
  const invokeAsync = async (url: string) => {
    const answer = await invoke(url, { headers: { 'fn-invoke-type': 'async' }, body: 'later' });
    return { status: answer.status, body: await answer.json(), location: answer.headers.get('location') ?? '' };
  };
  const ended = async (location: string) => {
    for (;;) {
      const call = JSON.parse((await send('GET', location)).body);
      if (call.status === 'success' || call.status === 'error') return call;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  it('http-api 127: is answered when it is in the queue, and runs in the same process', async () => {
    await start({ FN_MQ_URL: 'sqlite3://:memory:' });
    const { status, body, location } = await invokeAsync(await deployed({ image: 'echo' }));
    expect([status, body]).toEqual([202, { call_id: location.split('/').at(-1), duplicate: false }]);
    expect(await ended(location)).toMatchObject({ status: 'success', result: { status: 200, body: 'later', size: 5 } });
  });

  it('of a schedule runs with the body of the schedule and the policy of its function', async () => {
    await start({ FN_MQ_URL: 'sqlite3://:memory:' });
    const options = { body: { a: 1 }, content_type: 'application/vnd.a+json' };
    const trigger = { name: 'tick', type: 'schedule', source: '* * * * * *' } as const;
    const annotations = { 'fnfleet/async': { priority: 2 } };
    const { fn: ticked } = await deployWith(new ApiClient(node.address.url), 'shop', {
      spec: { name: 'ticked', image: 'tells', annotations },
      triggers: [{ ...trigger, annotations: { 'fnfleet/schedule': options } }],
    });
    let first: { id: string; priority: number } | undefined;
    while (first === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      first = JSON.parse((await send('GET', `/v2/fns/${ticked.id}/calls`)).body).items[0];
    }
    const { priority, result } = await ended(`/v2/fns/${ticked.id}/calls/${first.id}`);
    expect(priority).toBe(2);
    expect(JSON.parse(result.body)).toMatchObject({
      body: '{"a":1}',
      headers: {
        'content-type': 'application/vnd.a+json',
        'fn-attempt': '1',
        'fn-schedule-id': expect.stringMatching(/^\w{26}$/),
        'fn-schedule-due': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      },
    });
  });

  it('is followed by a call of another function, which learns what it has answered', async () => {
    await start({ FN_MQ_URL: 'sqlite3://:memory:' });
    const client = new ApiClient(node.address.url);
    const { fn: next } = await deployWith(client, 'shop', { spec: { name: 'next', image: 'tells' }, triggers: [] });
    const annotations = { 'fnfleet/callbacks': { on_success: { fn_id: next.id } } };
    const { location } = await invokeAsync(await deployed({ image: 'echo', annotations }));
    const { id } = await ended(location);
    let follower: { id: string } | undefined;
    while (follower === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      follower = JSON.parse((await send('GET', `/v2/fns/${next.id}/calls`)).body).items[0];
    }
    const { result } = await ended(`/v2/fns/${next.id}/calls/${follower.id}`);
    expect(JSON.parse(result.body)).toMatchObject({
      body: 'later',
      headers: {
        'fn-callback-status': 'success',
        'fn-callback-call-id': id,
        'fn-callback-response-status': '200',
        'fn-attempt': '1',
      },
    });
    expect(JSON.parse((await send('GET', location)).body).callbacks).toMatchObject([{ status: 'success' }]);
  });

  it('has a log', async () => {
    await start({ FN_MQ_URL: 'sqlite3://:memory:' });
    const { location } = await invokeAsync(await deployed({ image: 'talks' }));
    const { id } = await ended(location);
    expect(JSON.parse((await send('GET', `${location}/log`)).body)).toEqual({ call_id: id, log: 'uh\n' });
  });

  it('is finished before the node ends', async () => {
    await start({ FN_MQ_URL: 'sqlite3://:memory:' });
    const { status } = await invokeAsync(await deployed({ image: 'held' }));
    await held.arrived;
    const drained = node.drain({ graceMs: 10_000 });
    held.letGo();
    expect([status, await drained]).toEqual([202, 'drained']);
  });

  it('is refused if the node has no queue', async () => {
    await start();
    const { status, body } = await invokeAsync(await deployed({ image: 'echo' }));
    expect([status, body]).toEqual([400, { message: 'Async functions are not supported on this server' }]);
  });
});

describe('a call', () => {
  it('waits for its image, and operators see the progress of the pull', async () => {
    await start();
    const url = await deployed({ image: 'slow' });
    driver.gates.pull.hold();
    const answer = invoke(url);
    await driver.gates.pull.reached();
    const pulls = async () => JSON.parse((await send('GET', '/pulls')).body);
    expect(await pulls()).toEqual({ pulls: [{ image: 'slow', received_bytes: 1, total_bytes: 2 }] });
    driver.gates.pull.release();
    expect(await (await answer).text()).toBe('here');
    expect(await pulls()).toEqual({ pulls: [] });
  });

  it('runs from request to response in one process, and is counted once', async () => {
    await start();
    const url = await deployed({ image: 'echo' });
    const before = metrics.sum('completed');

    const answer = await invoke(url, { body: 'there and back', headers: { 'Fn-Explain': '1' } });

    expect([answer.status, await answer.text()]).toEqual([200, 'there and back']);
    expect(answer.headers.get('x-probe')).toBe('yes');
    expect(answer.headers.get('fn-call-id')).toMatch(/^\w{26}$/);
    expect(answer.headers.get('fn-explain')).toMatch(
      /^runner=local; attempts=1; executed=[\d.]+ms(; waited=[\d.]+ms)?/,
    );
    await eventually(() => expect([metrics.sum('calls'), metrics.sum('completed') - before]).toEqual([1, 1]));
  });

  it('delivers a body of any size unchanged, with or without a known length', async () => {
    await start();
    const url = await deployed({ image: 'echo' });
    const bytes = Buffer.alloc(3 * MIB, 'abc');
    const chunks = ReadableStream.from([bytes.subarray(0, MIB), bytes.subarray(MIB)]);

    const whole = await (await invoke(url, { body: bytes })).arrayBuffer();
    const chunked = await (await invoke(url, { body: chunks, duplex: 'half' })).arrayBuffer();

    expect(Buffer.from(whole).equals(bytes)).toBe(true);
    expect(Buffer.from(chunked).equals(bytes)).toBe(true);
    expect(await (await invoke(url)).text()).toBe('');
  });

  it('with a body that turns out too large gets 413, and its container stays in use', async () => {
    await start({ FN_MAX_REQUEST_SIZE: '1000' });
    const url = await deployed({ image: 'echo' });
    const chunks = ReadableStream.from([Buffer.alloc(600), Buffer.alloc(600)]);

    const answer = await invoke(url, { body: chunks, duplex: 'half' });

    expect([answer.status, await messageOf(answer)]).toEqual([
      413,
      'Content-Length too large for this server, 1200 > max 1000',
    ]);
    expect((await invoke(url)).status).toBe(200);
  });

  it.each`
    image        | memory | status | message
    ${'fails'}   | ${128} | ${502} | ${'function failed'}
    ${'broken'}  | ${128} | ${502} | ${'Container failed to initialize, please ensure you are using the latest fdk and check the logs'}
    ${'missing'} | ${128} | ${404} | ${"Failed to pull image 'missing': not in the script"}
    ${'echo'}    | ${512} | ${400} | ${'Requested CPU/Memory cannot be allocated'}
  `('of $image with $memory MB fails with $status', async ({ image, memory, status, message }) => {
    await start();
    const answer = await invoke(await deployed({ image, memory }));
    expect([answer.status, await messageOf(answer)]).toEqual([status, message]);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('agent-and-docker 44: gets 503 at once without capacity if calls do not wait', async () => {
    await start({ FN_ENABLE_NB_RESOURCE_TRACKER: '1' });
    const busy = invoke(await deployed({ image: 'held', memory: 200 }));
    await held.arrived;

    const refused = await invoke(await deployed({ image: 'echo', memory: 200 }));

    expect([refused.status, await messageOf(refused)]).toEqual([503, 'Timed out - server too busy']);
    expect(refused.headers.get('retry-after')).toBe('15');
    held.letGo();
    expect(await (await busy).text()).toBe('let go');
  });

  it('http-api 85: is cancelled in the function and in the metrics when its client disconnects', async () => {
    await start();
    const url = await deployed({ image: 'held' });
    const before = metrics.sum('canceled');
    const client = new AbortController();
    const left = invoke(url, { body: 'x', signal: client.signal }).catch((error: Error) => error.name);
    await held.arrived;

    client.abort();
    expect(await left).toBe('AbortError');
    await held.callerLeft;
    await eventually(() => expect([metrics.sum('running'), metrics.sum('canceled') - before]).toEqual([0, 1]));
  });
});

describe('a dry run', () => {
  const dryRun = async (url: string) => {
    const answer = await invoke(url, { headers: { 'Is-Dry-Run': 'true' }, body: 'in' });
    return [answer.status, JSON.parse(await answer.text())];
  };

  it('reports what would happen without running anything', async () => {
    await start();
    const echo = await deployed({ image: 'echo', memory: 128 });
    expect(await dryRun(echo)).toMatchObject([
      200,
      { would: 'start a container', fn: { name: 'echo', image: 'echo' } },
    ]);
    expect([metrics.sum('calls'), driver.counters.created]).toEqual([0, 0]);
    await (await invoke(echo)).text();
    // The container is idle soon after its call has been answered.
    await eventually(async () => expect(await dryRun(echo)).toMatchObject([200, { would: 'use a hot container' }]));
    const busy = invoke(await deployed({ image: 'held', memory: 200 }));
    await held.arrived;
    expect(await dryRun(await deployed({ image: 'greet', memory: 200 }))).toMatchObject([
      200,
      { would: 'wait for room' },
    ]);
    held.letGo();
    await busy;
  });

  it('of an impossible call fails like the call would', async () => {
    await start();
    const [status, { message }] = await dryRun(await deployed({ image: 'echo', memory: 512 }));
    expect([status, message]).toEqual([400, 'Requested CPU/Memory cannot be allocated']);
    expect((await dryRun(`${node.address.url}/invoke/none`))[0]).toBe(404);
  });
});

describe('a detached call', () => {
  const DETACHED = { headers: { 'Fn-Invoke-Type': 'detached' } };

  it('agent-and-docker 86: gets 202 when it has a container, before it ends', async () => {
    await start();
    const url = await deployed({ image: 'held' });
    driver.gates.start.hold();
    let answered = false;
    const answer = invoke(url, { ...DETACHED, body: 'in' }).finally(() => {
      answered = true;
    });
    await driver.gates.start.reached();
    expect(answered).toBe(false);

    driver.gates.start.release();
    expect([(await answer).status, await (await answer).text()]).toEqual([202, '']);
    await held.arrived;
    expect(metrics.sum('running')).toBe(1);
  });

  it('agent-and-docker 86: that cannot start gets the reason', async () => {
    await start();
    expect((await invoke(await deployed({ image: 'broken' }), DETACHED)).status).toBe(502);
  });
});

describe('what is stored', () => {
  it('http-api 83, 97: takes effect at once: missing and deleted functions are 404, new ones can be called', async () => {
    await start();
    expect(await send('POST', '/invoke/none')).toEqual({ status: 404, body: '{"message":"Fn not found"}\n' });
    expect(await send('GET', '/t/shop/hello')).toEqual({ status: 404, body: '{"message":"App not found"}\n' });

    const { id } = await deploy({ image: 'echo' });
    expect(await send('GET', '/t/shop/hello')).toEqual({ status: 404, body: '{"message":"Trigger not found"}\n' });

    const app = await new ApiClient(node.address.url).findApp('shop');
    const trigger = { name: 'hello', type: 'http', source: '/hello', app_id: app?.id, fn_id: id };
    expect((await send('POST', '/v2/triggers', trigger)).status).toBe(200);
    expect((await send('GET', '/t/shop/hello')).status).toBe(200);

    expect((await send('DELETE', `/v2/fns/${id}`)).status).toBe(204);
    expect((await send('POST', `/invoke/${id}`)).status).toBe(404);
    expect(await send('GET', '/t/shop/hello')).toEqual({ status: 404, body: '{"message":"Trigger not found"}\n' });
  });

  it.each(['/grüße', '/a b', '/50%', '/what?', '/part#1', '/[x]|{y}'])(
    'a trigger of %s is called at the URL shown for it',
    async (source) => {
      await start();
      const api = new ApiClient(node.address.url);
      const triggers = [{ name: 'odd', type: 'http', source }] as const;
      const { triggers: deployed } = await deployWith(api, 'größe', {
        spec: { name: 'echo', image: 'echo' },
        triggers,
      });
      const shown = deployed.map(triggerUrl)[0] ?? '';
      expect(shown).toMatch(/^[!-~]+$/);
      expect((await send('GET', shown.slice(node.address.url.length))).status).toBe(200);
    },
  );

  it('F2: a change applies to the first call after its response', async () => {
    await start();
    const { id } = await deploy({ image: 'greet', config: { NAME: 'Ada' } });
    expect((await send('POST', `/invoke/${id}`)).body).toBe('hello Ada');

    await send('PUT', `/v2/fns/${id}`, { config: { NAME: 'Grace' } });
    expect((await send('POST', `/invoke/${id}`)).body).toBe('hello Grace');
  });

  it('shows endpoints on the port of the request', async () => {
    await start();
    expect(await deployed({ image: 'echo' })).toMatch(`${node.address.url}/invoke/`);
  });
});

describe('the end', () => {
  it('http-api 17: finishes the call in flight, takes no new one, and leaves nothing behind', async () => {
    await start();
    const url = await deployed({ image: 'held' });
    const answer = invoke(url);
    await held.arrived;

    const drained = node.drain({ graceMs: 60_000 });
    await expect(invoke(url)).rejects.toThrow('fetch failed');
    held.letGo();

    expect(await (await answer).text()).toBe('let go');
    expect(await drained).toBe('drained');
    expect(driver.counters.live).toBe(0);
  });

  it('comes after the grace period if a call does not end', async () => {
    await start();
    const answer = invoke(await deployed({ image: 'held' })).then(
      ({ status }) => status,
      (error: Error) => error.message,
    );
    await held.arrived;
    expect(await node.drain({ graceMs: 20 })).toBe('expired');
    expect(await answer).toBe('fetch failed');
  });

  it('F1: comes before the port opens if functions cannot run', async () => {
    await start();
    await node.close();
    const failure = new FnError('internal', { cause: new Error('no engine') });
    const ready = Promise.reject(failure);
    ready.catch(() => undefined);
    const settings = readSettings(shape, { FN_DB_URL: 'sqlite3://:memory:' });
    const agent = newAgent({
      driver: Object.assign(scriptedDriver({ functions: {} }), { ready }),
      settings,
      totals: TOTALS,
    });
    node = new FullNode({ agent, settings, host: '127.0.0.1', port: 0 });

    await expect(node.ready).rejects.toBe(failure);
    expect(await node.drain({ graceMs: 0 })).toBe('drained');
  });
});
