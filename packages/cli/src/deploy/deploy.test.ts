import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import { readSettings } from '@fnfleet/core';
import { plainFetch } from '../access/secure-fetch.js';
import { ApiClient, type TriggerSpec } from '../api-client.js';
import { runCommand } from '../test-kit/run-command.js';
import { deploy, deployFunction, invokeUrl, triggerUrl } from './deploy.js';

let server: ApiServer;
let api: ApiClient;

beforeAll(async () => {
  const settings = readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:', FN_PUBLIC_LB_URL: 'http://lb:8081' });
  server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
  await server.ready;
  api = new ApiClient(server.address.url);
});
afterAll(() => server.close());

it('http-api 117: creates app and function at first, and updates the same function later', async () => {
  const first = await deployFunction(api, 'shop', { name: 'cart', image: 'cart:1', memory: 64 });
  const second = await deployFunction(api, 'shop', { name: 'cart', image: 'cart:2' });
  expect(second.id).toBe(first.id);
  expect(invokeUrl(second)).toBe(`http://lb:8081/invoke/${first.id}`);
  const app = await api.findApp('shop');
  expect(await api.findFn(app?.id ?? '', 'cart')).toMatchObject({ image: 'cart:2', memory: 64 });
});

it('does not overwrite what somebody else changes while it decides', async () => {
  const { id } = await deployFunction(api, 'shop', { name: 'shared', image: 'shared:1' });
  let isChanged = false;
  const slow = new ApiClient(server.address.url, async (url, options) => {
    // The last thing that is read before the first change.
    if (String(url).includes('/v2/triggers') && !isChanged) {
      isChanged = true;
      await api.updateFn(id, { memory: 512 });
    }
    return plainFetch(url, options);
  });
  const late = deployFunction(slow, 'shop', { name: 'shared', image: 'shared:2', memory: 64 });
  await expect(late).rejects.toThrow('has changed since it was read; run the command again');
  expect(await api.getFn(id)).toMatchObject({ image: 'shared:1', memory: 512 });
});

describe('triggers', () => {
  const trigger = (name: string, source: string) => ({ name, type: 'http', source }) as const;
  const put = (name: string, triggers: readonly TriggerSpec[], options = {}) =>
    deploy(api, 'shop', { spec: { name, image: `${name}:1` }, triggers }, options);
  const namesOf = async (name: string) => {
    const app = await api.findApp('shop');
    const fn = await api.findFn(app?.id ?? '', name);
    return (await api.listTriggers(app?.id ?? '', { fn_id: fn?.id ?? '' })).map(
      (found) => `${found.name} ${found.source}`,
    );
  };

  it('http-api 117: are created at first, and change their source later', async () => {
    const first = await put('till', [trigger('pay', '/pay')]);
    const second = await put('till', [trigger('pay', '/pay-now')]);
    expect(second.triggers[0]?.id).toBe(first.triggers[0]?.id);
    expect([first, second].flatMap(({ triggers }) => triggers.map(triggerUrl))).toEqual([
      'http://lb:8081/t/shop/pay',
      'http://lb:8081/t/shop/pay-now',
    ]);
  });

  it('have the annotations of func.yaml, and keep those that somebody else has set', async () => {
    const wanted = (annotations: Record<string, unknown>) => put('hook', [{ ...trigger('in', '/hook'), annotations }]);
    const annotations = async () => {
      const app = await api.findApp('shop');
      const found = (await api.listTriggers(app?.id ?? '')).find(({ name }) => name === 'in');
      return found as typeof found & { readonly annotations: Record<string, unknown> };
    };
    await wanted({ 'fnfleet/invoke-type': 'async', team: 'x' });
    const { id, annotations: first } = await annotations();
    expect(first).toMatchObject({ 'fnfleet/invoke-type': 'async', team: 'x', 'fnfleet/deployed': true });
    await api.updateTrigger(id, { annotations: { owner: 'me' } }, await annotations());
    await wanted({ 'fnfleet/invoke-type': 'sync' });
    const { annotations: second } = await annotations();
    expect(second).toMatchObject({ 'fnfleet/invoke-type': 'sync', team: 'x', owner: 'me' });
    await put('hook', [trigger('in', '/hook')]);
    expect((await annotations()).annotations).toEqual(second);
    await expect(wanted({ 'fnfleet/invoke-type': 'later' })).rejects.toThrow('It should be "sync" or "async"');
  });

  it('are renamed if func.yaml has a new name for a source, and keep their ids', async () => {
    const first = await put('stock', [trigger('old', '/stock')]);
    const second = await put('stock', [trigger('new', '/stock')]);
    expect(second.triggers.map(({ id }) => id)).toEqual(first.triggers.map(({ id }) => id));
    expect(await namesOf('stock')).toEqual(['new /stock']);
  });

  it('pass sources on from one to the next', async () => {
    await put('chain', [trigger('a', '/c1'), trigger('b', '/c2')]);
    await put('chain', [trigger('a', '/c2'), trigger('b', '/c3'), trigger('c', '/c1')]);
    expect(await namesOf('chain')).toEqual(['a /c2', 'b /c3', 'c /c1']);
  });

  it.each([
    [
      'is that of another function',
      [trigger('x', '/x'), trigger('again', '/pay-now')],
      /source \/pay-now of trigger again is already used by trigger pay of another function/,
    ],
    [
      'goes round in a circle',
      [trigger('one', '/r2'), trigger('two', '/r1')],
      /triggers exchange their sources \(one, two\)/,
    ],
    [
      'belongs to one that func.yaml no longer names',
      [trigger('one', '/r2')],
      /is already used by trigger two of this function, which func.yaml does not name/,
    ],
  ])('whose source %s change nothing', async (_, triggers, problem) => {
    await put('ring', [trigger('one', '/r1'), trigger('two', '/r2')]);
    const spec = { name: 'ring', image: 'ring:2', config: { NEW: '1' } };
    await expect(deploy(api, 'shop', { spec, triggers })).rejects.toThrow(problem);
    const app = await api.findApp('shop');
    expect(await api.findFn(app?.id ?? '', 'ring')).toMatchObject({ image: 'ring:1', config: null });
    expect(await namesOf('ring')).toEqual(['one /r1', 'two /r2']);
  });

  it('that fail unexpectedly report what was changed before', async () => {
    const failing = new ApiClient(server.address.url, (url, options) => {
      if (options?.method === 'POST' && url.endsWith('/v2/triggers') && `${options.body}`.includes('second')) {
        return Promise.resolve(new Response('{"message":"Trigger already exists"}', { status: 409 }));
      }
      return fetch(url, options);
    });
    const triggers = [trigger('first', '/p1'), trigger('second', '/p2'), trigger('third', '/p3')];
    await expect(deploy(failing, 'part', { spec: { name: 'part', image: 'a' }, triggers })).rejects.toThrow(
      'POST /v2/triggers: 409 Trigger already exists\nbefore that it has created app part, created function part, created trigger first; the rest was not done',
    );
  });
});

describe('what func.yaml no longer has', () => {
  const spec = { name: 'lean', image: 'lean:1' };
  const triggers = [
    { name: 'a', type: 'http', source: '/lean-a' },
    { name: 'b', type: 'http', source: '/lean-b' },
  ] as const;
  const lean = { spec: { ...spec, timeout: 20, config: { KEPT: '3' } }, triggers: [triggers[0]] };
  const SURPLUS = ['memory 512', 'config GONE', 'annotation team', 'trigger b'];
  const OTHERS = ['idle_timeout 60', 'config SECRET', 'annotation fnfleet/standby', 'trigger by-hand'];

  async function found() {
    const app = await api.findApp('shop');
    const fn = await api.findFn(app?.id ?? '', 'lean');
    if (fn === undefined) throw new Error('it is gone');
    return fn;
  }

  async function stored() {
    const fn = await found();
    const triggersOfFn = await api.listTriggers(fn.app_id, { fn_id: fn.id });
    return {
      memory: fn.memory,
      timeout: fn.timeout,
      idle: fn.idle_timeout,
      config: fn.config,
      annotations: Object.keys(fn.annotations ?? {}).filter((key) => !/^fnproject|\/deployed/.test(key)),
      triggers: triggersOfFn.map(({ name }) => name),
    };
  }

  beforeEach(async () => {
    await deploy(api, 'shop', {
      spec: { ...spec, memory: 512, timeout: 10, config: { KEPT: '1', GONE: '2' }, annotations: { team: 'x' } },
      triggers,
    });
    const fn = await found();
    await api.updateFn(fn.id, {
      idle_timeout: 60,
      config: { SECRET: 's' },
      annotations: { 'fnfleet/standby': 1 },
    });
    await api.createTrigger(fn, { name: 'by-hand', type: 'http', source: '/lean-by-hand' });
  });
  afterEach(async () => api.deleteFn((await found()).id));

  it('is kept and named', async () => {
    expect(await deploy(api, 'shop', lean)).toMatchObject({ surplus: SURPLUS, others: OTHERS });
    expect(await stored()).toEqual({
      memory: 512,
      timeout: 20,
      idle: 60,
      config: { KEPT: '3', GONE: '2', SECRET: 's' },
      annotations: ['fnfleet/standby', 'team'],
      triggers: ['a', 'b', 'by-hand'],
    });
    // A later deployment still knows who has set it.
    expect(await deploy(api, 'shop', lean)).toMatchObject({ surplus: SURPLUS, others: OTHERS });
  });

  it('is removed with prune, and limits are reset; values set by other tools stay', async () => {
    expect(await deploy(api, 'shop', lean, { prune: true })).toMatchObject({ surplus: SURPLUS, others: OTHERS });
    expect(await stored()).toEqual({
      memory: 128,
      timeout: 20,
      idle: 60,
      config: { KEPT: '3', SECRET: 's' },
      annotations: ['fnfleet/standby'],
      triggers: ['a', 'by-hand'],
    });
    expect(await deploy(api, 'shop', lean, { prune: true })).toMatchObject({ surplus: [], others: OTHERS });
  });

  it('is removed even if somebody else set it first, once func.yaml has named it in between', async () => {
    const taken = {
      spec: { ...spec, idle_timeout: 60, config: { SECRET: 't' }, annotations: { 'fnfleet/standby': 1 } },
      triggers: [{ name: 'by-hand', type: 'http', source: '/lean-by-hand' }],
    } as const;
    expect((await deploy(api, 'shop', taken)).others).toEqual([]);
    await deploy(api, 'shop', { spec, triggers: [] }, { prune: true });
    expect(await stored()).toEqual({
      memory: 128,
      timeout: 30,
      idle: 30,
      config: null,
      annotations: [],
      triggers: [],
    });
    // Nothing is set any more, so nothing is written down.
    expect(Object.keys((await found()).annotations ?? {})).toEqual(['fnproject.io/fn/invokeEndpoint']);
  });

  it.each`
    what                                  | keys
    ${'many'}                             | ${Array.from({ length: 400 }, (_, index) => `KEY_${index}_${'x'.repeat(6)}`)}
    ${'some that are long'}               | ${['A'.repeat(400), 'B'.repeat(400)]}
    ${'some of other letters and quotes'} | ${['Größe', '"q"', 'a\\b']}
  `('is recorded for $what keys', async ({ keys }) => {
    const config = Object.fromEntries((keys as string[]).map((key) => [key, '1']));
    await deploy(api, 'shop', { spec: { ...spec, config }, triggers: [] });
    await deploy(api, 'shop', { spec, triggers: [] }, { prune: true });
    expect((await stored()).config).toEqual({ SECRET: 's' });
  });

  it('is kept if there are more names than can be recorded', async () => {
    const keys = Array.from({ length: 60 }, (_, index) => `${index}`.padStart(400, 'x'));
    const config = Object.fromEntries([...keys, 'K'.repeat(600)].map((key) => [key, '1']));
    await deploy(api, 'shop', { spec: { ...spec, config }, triggers: [] });
    const { others } = await deploy(api, 'shop', { spec, triggers: [] }, { prune: true });
    expect(others.filter((name) => /^config [xK]/.test(name))).toHaveLength(61 - 40);
  });

  it('ignores a record in func.yaml, and one that is not a list', async () => {
    const annotations = { 'fnfleet/deployed': ['config SECRET'], 'fnfleet/deployed.2': ['config SECRET'] };
    await deploy(api, 'shop', { spec: { ...spec, annotations }, triggers: [] });
    expect((await deploy(api, 'shop', lean, { prune: true })).others).toContain('config SECRET');
    await api.updateFn((await found()).id, { annotations: { 'fnfleet/deployed': { config: 'SECRET' } } });
    expect((await deploy(api, 'shop', lean, { prune: true })).others).toContain('config SECRET');
  });
});

describe('what an API node would refuse', () => {
  const requests: string[] = [];
  const watched = () =>
    new ApiClient(server.address.url, (target, options) => {
      requests.push(`${options?.method}`);
      return fetch(target, options);
    });

  it.each([
    ['limits beyond those there are', { memory: 10_000 }, /^function big: memory value/],
    ['an image that there cannot be', { image: 'Team/Fn:1' }, /image/],
    ['a key that is no name', { config: { 'A=B': '1' } }, /config/],
    ['an annotation without a value', { annotations: { a: null } }, /annotation/],
  ])('changes nothing and leaves no app behind: %s', async (_, wrong, message) => {
    requests.length = 0;
    const spec = { name: 'big', image: 'a:1', ...wrong };
    await expect(deploy(watched(), 'never', { spec, triggers: [] })).rejects.toThrow(message);
    expect(requests.filter((method) => method !== 'GET')).toEqual([]);
  });

  it('does not change an existing function', async () => {
    await deploy(api, 'shop', { spec: { name: 'fits', image: 'a:1' }, triggers: [] });
    requests.length = 0;
    const spec = { name: 'fits', image: 'a:2', timeout: 100_000 };
    await expect(deploy(watched(), 'shop', { spec, triggers: [] })).rejects.toThrow(/timeout value/);
    const triggers = [{ name: 'no name', type: 'http', source: '/fits' }] as const;
    await expect(deploy(watched(), 'shop', { spec: { name: 'fits', image: 'a:2' }, triggers })).rejects.toThrow(
      /^trigger no name: Invalid name/,
    );
    await expect(deploy(watched(), 'no app', { spec: { name: 'fits', image: 'a:2' }, triggers: [] })).rejects.toThrow(
      /^app no app: Invalid app name/,
    );
    expect(requests.filter((method) => method !== 'GET')).toEqual([]);
  });
});

describe('fnfleet deploy', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-deploy-'));
    process.env.FN_REGISTRY = 'registry.example/team';
  });
  afterEach(() => {
    delete process.env.FN_REGISTRY;
    process.exitCode = undefined;
    rmSync(folder, { recursive: true });
  });

  it.each([
    [
      'a trigger that another function has',
      'name: late\ntriggers: [{name: t, source: /taken}]\n',
      /source \/taken of trigger t/,
    ],
    ['limits beyond those there are', 'name: late\nmemory: 10000\n', /memory value/],
  ])('builds and pushes nothing for %s', async (_, text, problem) => {
    await deploy(api, 'told', {
      spec: { name: 'first', image: 'first:1' },
      triggers: [{ name: 't', type: 'http', source: '/taken' }],
    });
    writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
    process.env.DOCKER_HOST = 'tcp://127.0.0.1:1';
    const { code, output } = await run(text);
    delete process.env.DOCKER_HOST;
    expect(code).toBe(1);
    expect(output).toMatch(problem);
    expect(output).not.toMatch(/building|pushing|ECONNREFUSED/);
  });

  const run = (text: string, ...args: string[]) => {
    writeFileSync(path.join(folder, 'func.yml'), text);
    return runCommand('deploy', folder, '--app', 'told', '--api', server.address.url, ...args);
  };

  it('reports what it did, what has no effect, and what was kept or removed', async () => {
    const first = await run(
      'name: told\nversion: 1.0\nruntme: node\nconfig: {A: 1, "B\\e": 2}\ntriggers: [{name: t, source: /ü}]\n',
    );
    expect(first).toMatchObject({
      code: 0,
      output: expect.stringContaining(
        `${folder}/func.yml:3: runtme is unknown and has no effect; did you mean runtime?\n`,
      ),
    });
    const built = 'nothing is built, since there is no Dockerfile and func.yaml names no runtime: runners have to find';
    expect(first.output).toContain(`${built} registry.example/team/told:1.0\n`);
    expect((await run('name: told\nversion: 1.0\n', '--no-build')).output).not.toContain(built);
    expect((await run('name: told\nimage: told:1\n')).output).not.toContain(built);
    expect(first.stdout.split('\n')).toEqual([
      'deployed told (registry.example/team/told:1.0) in app told',
      expect.stringMatching(/^invoke it at http:\/\/lb:8081\/invoke\/\w{26}$/),
      'trigger t at http://lb:8081/t/told/%C3%BC',
      '',
    ]);
    const second = await run('name: told\nversion: 1.1\n');
    expect(second.stdout).toContain(
      '\nkept config A, config B\\u001b, trigger t: no longer in func.yaml; --prune removes it\n',
    );
    const third = await run('name: told\nversion: 1.1\n', '--prune', '--registry', 'other');
    expect(third.stdout).toContain('deployed told (other/told:1.1)');
    expect(third.stdout).toContain('\nremoved config A, config B\\u001b, trigger t\n');
    expect((await run('name: told\nversion: 1.1\n')).stdout).not.toMatch(/kept|removed|left/);
    const { id = '' } = (await api.findApp('told')) ?? {};
    await api.updateFn((await api.findFn(id, 'told'))?.id ?? '', { config: { SECRET: 's' } });
    expect((await run('name: told\nversion: 1.1\n', '--prune')).stdout).toMatch(
      /\nkept, because deploy has not set it: config SECRET\n$/,
    );
  });
});

it('passes on the error of the API node', async () => {
  const refusing = new ApiClient(server.address.url, (target, options) =>
    options?.method === 'POST'
      ? Promise.resolve(new Response('{"message":"no more functions"}', { status: 400 }))
      : fetch(target, options),
  );
  await expect(deployFunction(refusing, 'shop', { name: 'one-more', image: 'a' })).rejects.toThrow(
    /400 no more functions/,
  );
});

it('reports that no API node answers', async () => {
  await expect(new ApiClient('http://127.0.0.1:1').findApp('a')).rejects.toThrow(/no API node answers at http/);
});
