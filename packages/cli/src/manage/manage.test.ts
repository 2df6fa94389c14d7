// takes: 3 s
import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import { readSettings } from '@fnfleet/core';
import { ApiClient } from '../api-client.js';
import { deploy } from '../deploy/deploy.js';
import { runCommand } from '../test-kit/run-command.js';
import { COMMANDS } from './table.js';

let server: ApiServer;
let api: ApiClient;

beforeEach(async () => {
  const settings = readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:', FN_PUBLIC_LB_URL: 'http://lb' });
  server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
  await server.ready;
  api = new ApiClient(server.address.url);
  await deploy(api, 'shop', {
    spec: { name: 'cart', image: 'cart:1', memory: 64, config: { A: '1' }, annotations: { team: 'x' } },
    triggers: [{ name: 'add', type: 'http', source: '/a b' }],
  });
  await deploy(api, 'shop', { spec: { name: 'till', image: 'till:1' }, triggers: [] });
  await deploy(api, 'blog', { spec: { name: 'post', image: 'post:1' }, triggers: [] });
});
afterEach(async () => {
  process.exitCode = undefined;
  await server.close();
});

const run = (...args: string[]) => runCommand(...args, '--api', server.address.url);
const fnOf = async (app: string, name: string) => api.findFn((await api.findApp(app))?.id ?? '', name);

/** @returns its answer as JSON */
async function json(...args: string[]) {
  const { stdout, output, code } = await run(...args, '--json');
  expect([code, output]).toEqual([0, stdout]);
  return JSON.parse(stdout);
}

/** @returns its lines, white space made one */
async function lines(...args: string[]): Promise<string[]> {
  const { stdout, output, code } = await run(...args);
  expect([code, output]).toEqual([0, stdout]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
}

it.each(COMMANDS.map(({ verb, noun }) => [verb, noun]))(
  '%s %s answers with JSON where it is asked for',
  async (verb, noun) => {
    const names = ['shop', 'cart', 'add'].slice(0, ['app', 'function', 'trigger'].indexOf(noun.replace(/s$/, '')) + 1);
    const about: Record<string, string[]> = { list: names.slice(0, -1), create: [...names.slice(0, -1), 'new'] };
    const more: Record<string, string[]> = {
      update: ['--annotation', 'k=1'],
      delete: noun === 'trigger' ? [] : ['--recursive'],
      create: { app: [], function: ['new:1'], trigger: ['--source', '/new'] }[noun as 'app'] ?? [],
    };
    const answer = await json(verb, noun, ...(about[verb] ?? names), ...(more[verb] ?? []));
    expect(Array.isArray(answer)).toBe(verb === 'list');
  },
);

describe('create', () => {
  it('creates an app, a function and a trigger that can be called at the URLs shown', async () => {
    expect(await lines('create', 'app', 'new', 'A=1', '--annotation', 'team="x"')).toEqual(['created app new']);
    expect(await api.findApp('new')).toMatchObject({ config: { A: '1' }, annotations: { team: 'x' } });
    const limits = ['--memory', '64', '--timeout', '5', '--idle-timeout', '60'];
    expect(await lines('create', 'function', 'new', 'f', 'r.example/f:1', 'B=2', 'C=x=y', ...limits)).toEqual([
      'created function f',
      expect.stringMatching(/^invoke it at http:\/\/lb\/invoke\/\w{26}$/),
    ]);
    expect(await fnOf('new', 'f')).toMatchObject({
      image: 'r.example/f:1',
      memory: 64,
      timeout: 5,
      idle_timeout: 60,
      config: { B: '2', C: 'x=y' },
    });
    expect(await lines('create', 'trigger', 'new', 'f', 't', '--source', '/a b')).toEqual([
      'created trigger t',
      'it is called at http://lb/t/new/a%20b',
    ]);
  });

  it.each([
    [['app', 'shop'], /409 App already exists/],
    [['function', 'shop', 'cart', 'cart:1'], /409 Fn with specified name already exists/],
    [['function', 'none', 'cart', 'cart:1'], /there is no app none/],
    [['function', 'shop', 'f', 'Cart:$V'], /400 Invalid Fn image/],
    [['trigger', 'shop', 'till', 'add', '--source', '/a b'], /409 Trigger with the same type and source exists/],
  ])('%j changes nothing', async (args, message) => {
    const { code, output } = await run('create', ...args);
    expect([code, output]).toEqual([1, expect.stringMatching(message)]);
  });
});

describe('list', () => {
  it('shows apps, functions and triggers', async () => {
    expect((await lines('list', 'apps')).map((line) => line.split(' ')[0])).toEqual(['NAME', 'blog', 'shop']);
    expect(await lines('list', 'functions', 'shop')).toEqual([
      'NAME IMAGE MEMORY TIMEOUT IDLE ID',
      expect.stringMatching(/^cart cart:1 64 MiB 30 s 30 s \w{26}$/),
      expect.stringMatching(/^till till:1 128 MiB 30 s 30 s \w{26}$/),
    ]);
    expect(await lines('list', 'triggers', 'shop')).toEqual([
      'FUNCTION NAME SOURCE CALLED AT ID',
      expect.stringMatching(/^cart add \/a b http:\/\/lb\/t\/shop\/a%20b \w{26}$/),
    ]);
    expect(await lines('list', 'triggers', 'shop', 'till')).toEqual(['none']);
  });

  it('shortens the digest of an image, except with --json', async () => {
    const digest = `sha256:${'0123456789ab'.padEnd(64, 'f')}`;
    await api.updateFn((await fnOf('shop', 'cart'))?.id ?? '', { image: `r.example/cart@${digest}` });
    await api.updateFn((await fnOf('shop', 'till'))?.id ?? '', { image: digest });
    expect((await lines('list', 'functions', 'shop')).map((line) => line.split(' ')[1])).toEqual([
      'IMAGE',
      'r.example/cart@sha256:0123456789ab',
      'sha256:0123456789ab',
    ]);
    expect((await json('list', 'functions', 'shop'))[1].image).toBe(digest);
  });

  it('accepts singular and plural', async () => {
    expect(await json('list', 'app')).toEqual(await json('list', 'apps'));
  });

  it('reads all pages', async () => {
    for (let n = 0; n < 205; n += 1) await api.createApp(`many-${n}`);
    expect(await json('list', 'apps')).toHaveLength(207);
  });
});

it('inspect shows all fields of the API node', async () => {
  expect(await json('inspect', 'function', 'shop', 'cart')).toEqual(await fnOf('shop', 'cart'));
  expect(await lines('inspect', 'function', 'shop', 'cart')).toEqual(
    expect.arrayContaining([
      'name: cart',
      'memory: 64',
      'config:',
      ' A: 1',
      ' team: x',
      expect.stringMatching(/invokeEndpoint: http:\/\/lb\/invoke\/\w{26}$/),
    ]),
  );
  expect(await json('inspect', 'trigger', 'shop', 'cart', 'add')).toMatchObject({ name: 'add', source: '/a b' });
});

describe('update', () => {
  it('changes the given fields and keeps the rest', async () => {
    const change = [
      '--memory',
      '256',
      '--image',
      'cart:2',
      '--annotation',
      'fnfleet/standby=1',
      '--annotation',
      'team=',
    ];
    const answer = await json('update', 'function', 'shop', 'cart', ...change);
    expect(answer).toEqual(await fnOf('shop', 'cart'));
    expect(answer).toMatchObject({ image: 'cart:2', memory: 256, timeout: 30, config: { A: '1' } });
    expect(answer.annotations).toEqual({
      'fnfleet/deployed': expect.any(Array),
      'fnfleet/standby': 1,
      'fnproject.io/fn/invokeEndpoint': expect.any(String),
    });
    expect(await lines('update', 'trigger', 'shop', 'cart', 'add', '--source', '/add')).toEqual([
      'updated trigger add',
    ]);
    expect(await json('update', 'app', 'shop', '--syslog-url', 'tcp://log:1')).toMatchObject({
      syslog_url: 'tcp://log:1',
    });
  });

  it('without changes lists the options', async () => {
    expect(await run('update', 'function', 'shop', 'cart')).toMatchObject({
      code: 1,
      output: 'fnfleet: nothing to change; use --image, --memory, --timeout, --idle-timeout, --annotation\n',
    });
  });
});

describe('delete', () => {
  it.each([
    [
      ['app', 'shop'],
      'app shop has 2 functions (cart, till), which would be deleted as well: --recursive deletes all of it',
    ],
    [
      ['function', 'shop', 'cart'],
      'function cart has 1 trigger (add), which would be deleted as well: --recursive deletes all of it',
    ],
  ])('%j refuses to delete a resource with dependents, except with --recursive', async (args, message) => {
    expect(await run('delete', ...args)).toMatchObject({ code: 1, output: `fnfleet: ${message}\n` });
    expect(await fnOf('shop', 'cart')).toBeDefined();
    expect(await lines('delete', ...args, '--recursive')).toEqual([`deleted ${args.join(' ')}`]);
    expect(await run('inspect', 'function', 'shop', 'cart')).toMatchObject({ code: 1 });
  });

  it('deletes a resource without dependents at once', async () => {
    expect(await lines('delete', 'trigger', 'shop', 'cart', 'add')).toEqual(['deleted trigger shop cart add']);
    expect(await lines('delete', 'function', 'shop', 'cart')).toEqual(['deleted function shop cart']);
    expect(await fnOf('shop', 'till')).toBeDefined();
  });
});

describe('config', () => {
  it('shows, sets and removes keys', async () => {
    expect(await lines('config', 'function', 'shop', 'cart')).toEqual(['A=1']);
    expect(await json('config', 'function', 'shop', 'cart', 'B=2', 'URL=a=b', '--unset', 'A')).toEqual({
      B: '2',
      URL: 'a=b',
    });
    expect((await fnOf('shop', 'cart'))?.config).toEqual({ B: '2', URL: 'a=b' });
    expect(await lines('config', 'app', 'shop')).toEqual(['no configuration']);
    expect(await lines('config', 'app', 'shop', 'LEVEL=debug')).toEqual(['LEVEL=debug']);
  });

  it.each([
    [['--unset', 'NONE'], 'there is no key NONE to remove; nothing was changed'],
    [['A=2', '--unset', 'A'], 'A: both set and removed; nothing was changed'],
    [['B=2', '--unset', 'NONE'], 'there is no key NONE to remove; nothing was changed'],
  ])('with %j changes nothing', async (args, message) => {
    expect(await run('config', 'function', 'shop', 'cart', ...args)).toMatchObject({
      code: 1,
      output: `fnfleet: ${message}\n`,
    });
    expect((await fnOf('shop', 'cart'))?.config).toEqual({ A: '1' });
  });
});

it.each([
  [['inspect', 'app', 'shpo'], 'there is no app shpo'],
  [['inspect', 'function', 'shop', 'none'], 'app shop has no function none'],
  [['delete', 'trigger', 'shop', 'cart', 'none'], 'function cart of app shop has no trigger none'],
  [['list', 'triggers', 'shop', 'none'], 'app shop has no function none'],
])('%j names what does not exist', async (args, message) => {
  expect(await run(...args)).toMatchObject({ code: 1, output: `fnfleet: ${message}\n` });
});
