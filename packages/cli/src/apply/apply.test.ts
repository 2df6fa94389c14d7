// takes: 6 s
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import { readSettings } from '@fnfleet/core';
import fc from 'fast-check';
import { ApiClient, type AppRef } from '../api-client.js';
import { runCommand } from '../test-kit/run-command.js';
import { planFolder, runPlan } from './apply-folder.js';
import { FolderWriter } from './folder-writer.js';
import { readFolder } from './read-folder.js';

let server: ApiServer;
let api: ApiClient;
let dir: string;

beforeEach(async () => {
  server = await newServer();
  api = new ApiClient(server.address.url);
  dir = path.join(mkdtempSync(path.join(tmpdir(), 'apply-')), 'fleet');
});
afterEach(async () => {
  await server.close();
  rmSync(path.dirname(dir), { recursive: true });
});

describe('export', () => {
  it('writes one file for each app and function, readable only by their owner', async () => {
    await shop();
    const { output, code } = await run('export', dir);
    expect({ output, code }).toEqual({ output: `exported 1 app with 2 functions to ${dir}\n`, code: 0 });
    expect(text('shop/app.yaml')).toBe(
      'name: shop\nsyslog_url: tcp://logs:514\nconfig:\n  A: "1"\n  SECRET: s3cret\nannotations:\n  team:\n    - x\n    - 1\n',
    );
    expect(text('shop/functions/cart.yaml')).toBe(
      'name: cart\nimage: cart:1\nmemory: 256\ntimeout: 30\nidle_timeout: 30\ntriggers:\n  - name: buy\n    source: /buy\n  - name: look\n    source: /look\n',
    );
    expect(statSync(path.join(dir, 'shop/app.yaml')).mode & 0o777).toBe(0o600);
    expect(statSync(path.join(dir, 'shop')).mode & 0o777).toBe(0o700);
  });

  it('replaces an earlier export: files of deleted functions and apps go, others stay', async () => {
    const { app, cart } = await shop();
    const other = await api.createApp('other');
    await run('export', dir);
    writeFileSync(path.join(dir, 'shop/README.md'), 'ours');
    await api.deleteFn(cart.id);
    await api.deleteApp(other.id);
    await api.updateApp(app.id, { config: { A: '2' } });
    const { output } = await run('export', dir);
    expect(output).toContain('removed other/app.yaml\nremoved shop/functions/cart.yaml\n');
    expect(existsSync(path.join(dir, 'other'))).toBe(false);
    expect(text('shop/README.md')).toBe('ours');
    expect(text('shop/app.yaml')).toContain('A: "2"');
  });

  it('of named apps leaves the files of other apps', async () => {
    await shop();
    await api.createApp('other');
    await run('export', dir);
    await run('export', dir, '--app', 'shop');
    expect(existsSync(path.join(dir, 'other/app.yaml'))).toBe(true);
    expect(await run('export', dir, '--app', 'nope')).toMatchObject({
      output: 'fnfleet: there is no app nope\n',
      code: 1,
    });
  });

  it('keeps apart names that some file systems do not distinguish', async () => {
    const { app } = await shop();
    for (const name of ['Cart', '.env', 'a:b']) await api.createFn(app.id, { name, image: 'i:1' });
    await run('export', dir);
    expect(readFolder(dir)[0]?.functions.map(({ file, value }) => [path.basename(file), value.name])).toEqual([
      ['%2Eenv.yaml', '.env'],
      ['Cart.yaml', 'Cart'],
      ['a%3Ab.yaml', 'a:b'],
      ['cart-2.yaml', 'cart'],
      ['pay.yaml', 'pay'],
    ]);
  });

  it.each`
    name                  | file
    ${'con'}              | ${'%63on'}
    ${'NUL.txt'}          | ${'%4EUL.txt'}
    ${'com1'}             | ${'%63om1'}
    ${'lpt9.a.b'}         | ${'%6Cpt9.a.b'}
    ${'console'}          | ${'console'}
    ${'a.'}               | ${'a%2E'}
    ${'a*'}               | ${'a%2A'}
    ${'../../x'}          | ${'%2E.%2F..%2Fx'}
    ${'..'}               | ${'%2E%2E'}
    ${'fnfleet.yaml'}     | ${'fnfleet.yaml-2'}
    ${'fnfleet.yaml.new'} | ${'fnfleet.yaml.new-2'}
    ${''}                 | ${'%'}
  `('writes an app $name of a hostile API node to $file, which every system can have', ({ name, file }) => {
    const app = { name, shape: '', syslogUrl: '', config: {}, annotations: {}, functions: [] };
    for (let round = 0; round < 2; round += 1) {
      const writer = new FolderWriter(dir, 'yaml');
      writer.app(app);
      writer.finish('all');
      expect(readdirSync(dir).sort()).toEqual([file, 'fnfleet.yaml'].sort());
      expect(readdirSync(path.join(dir, file))).toEqual(['app.yaml']);
    }
  });

  it('refuses a folder with other content, and to follow links', async () => {
    await shop();
    const home = path.dirname(dir);
    writeFileSync(path.join(home, 'file'), '');
    expect(await run('export', home)).toMatchObject({
      output: expect.stringContaining('is not empty and is no earlier export'),
      code: 1,
    });
    await run('export', dir);
    rmSync(path.join(dir, 'shop'), { recursive: true });
    symlinkSync(home, path.join(dir, 'shop'));
    expect(await run('export', dir)).toMatchObject({ output: expect.stringContaining('is a link'), code: 1 });
    expect(existsSync(path.join(home, 'app.yaml'))).toBe(false);
  });

  it.each(['yaml', 'json'] as const)('as %s gives back every name, text and annotation when it is read', (format) => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('yes', '0.10', '~', '1e3', '<<', '\ud800', '017', '- x', '#', '=', '1:30'),
    );
    const maps = <T>(values: fc.Arbitrary<T>) => fc.dictionary(texts, values, { maxKeys: 4, noNullPrototype: true });
    const annotations = maps(fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value))));
    const triggers = fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^\w{1,9}$/),
        type: fc.constantFrom('http', 'schedule'),
        source: fc.string(),
        annotations,
      }),
      { selector: ({ name }) => name, maxLength: 3 },
    );
    const fns = fc.record({
      name: fc.stringMatching(/^[\w.~$&+:=@]{1,20}$/),
      image: fc.string({ minLength: 1 }),
      memory: fc.integer({ min: 1, max: 8192 }),
      timeout: fc.constant(30),
      idleTimeout: fc.constant(30),
      config: maps(texts),
      annotations,
      triggers,
    });
    const apps = fc.record({
      name: fc.stringMatching(/^[\wäß-]{1,20}$/),
      shape: fc.constant(''),
      syslogUrl: fc.constant(''),
      config: maps(texts),
      annotations,
      functions: fc.uniqueArray(fns, { selector: ({ name }) => name, maxLength: 3 }),
    });
    fc.assert(
      fc.property(apps, (generated) => {
        // As in an API node, sources are not empty and belong to one trigger.
        const app = {
          ...generated,
          functions: generated.functions.map((fn) => ({
            ...fn,
            triggers: fn.triggers.map((trigger) => ({
              ...trigger,
              source: `/${fn.name}/${trigger.name}/${trigger.source}`,
            })),
          })),
        };
        const folder = mkdtempSync(path.join(tmpdir(), 'round-'));
        try {
          new FolderWriter(folder, format).app(app);
          const [read] = readFolder(folder);
          const functions = read?.functions.map(({ value }) => value) ?? [];
          expect({ ...read?.value, functions: byName(functions) }).toEqual({
            ...app,
            functions: byName(app.functions),
          });
        } finally {
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('import', () => {
  it('brings everything to another API node', async () => {
    await shop();
    await run('export', dir);
    const second = await newServer();
    try {
      expect(await run('import', dir, '--api', second.address.url)).toMatchObject({ code: 0 });
      await run('export', `${dir}2`, '--api', second.address.url);
      expect(readFolder(`${dir}2`).map(withoutFiles)).toEqual(readFolder(dir).map(withoutFiles));
    } finally {
      await second.close();
    }
  });

  it('changes nothing that exists, and says what differs', async () => {
    const { app, cart } = await shop();
    await run('export', dir);
    await api.updateFn(cart.id, { image: 'cart:2' });
    await api.updateApp(app.id, { config: { A: '2' } });
    const { output } = await run('import', dir);
    expect(output).toBe('kept: app shop differs\nkept: function shop/cart differs\n0 changes made\n');
  });
});

describe('apply', () => {
  it('shows the difference, and makes it so', async () => {
    const { app } = await shop();
    await run('export', dir);
    edit('shop/app.yaml', (before) => before.replace('A: "1"', 'A: "2"\n  B: "3"').replace('  SECRET: s3cret\n', ''));
    edit('shop/functions/cart.yaml', (before) =>
      before.replace('cart:1', 'cart:2').replace('/look', '/see').replace('256', '512'),
    );
    put('shop/functions/new.yaml', 'name: new\nimage: new:1\ntriggers:\n- {name: t, source: /t}\n');
    const changes = [
      '~ app shop',
      '    config.A: changed',
      '    config.B: added',
      '    config.SECRET: removed',
      '~ function shop/cart',
      '    image: "cart:1" -> "cart:2"',
      '    memory: 256 -> 512',
      '+ function shop/new (image new:1)',
      '~ trigger shop/cart/look',
      '    source: "/look" -> "/see"',
      '+ trigger shop/new/t (/t)',
    ];
    const dry = await run('apply', dir, '--dry-run');
    expect(dry).toMatchObject({ output: [...changes, '5 changes to make', ''].join('\n'), code: 2 });
    expect(await api.getApp(app.id)).toMatchObject({ config: { A: '1', SECRET: 's3cret' } });
    expect((await run('apply', dir)).output).toBe([...changes, '5 changes made', ''].join('\n'));
    expect(await api.getApp(app.id)).toMatchObject({ config: { A: '2', B: '3' } });
    expect(await run('apply', dir, '--dry-run')).toMatchObject({ output: '0 changes to make\n', code: 0 });
  });

  it('shows values of configurations only if told to', async () => {
    await shop();
    await run('export', dir);
    edit('shop/app.yaml', (before) => before.replace('s3cret', 'n3w'));
    expect((await run('apply', dir, '--dry-run')).output).not.toMatch(/s3cret|n3w/);
    expect((await run('apply', dir, '--dry-run', '--show-values')).output).toContain(
      'config.SECRET: "s3cret" -> "n3w"',
    );
  });

  it('keeps what the folder does not have, and removes it with --prune', async () => {
    await shop();
    await run('export', dir);
    rmSync(path.join(dir, 'shop/functions/pay.yaml'));
    edit('shop/functions/cart.yaml', (before) => before.replace('  - name: look\n    source: /look\n', ''));
    expect((await run('apply', dir)).output).toBe(
      'kept: trigger shop/cart/look is not in the folder\nkept: function shop/pay is not in the folder\n0 changes made\n',
    );
    expect((await run('apply', dir, '--prune')).output).toBe(
      '- trigger shop/cart/look\n- function shop/pay\n2 changes made\n',
    );
    expect((await run('apply', dir, '--prune')).output).toBe('0 changes made\n');
  });

  it.each([
    ['shop/functions/cart.yaml', 'a link'],
    ['shop/functions', 'a link'],
    ['shop', 'a link'],
    ['shop/functions/cart.yaml', 'no ordinary file'],
    ['shop/app.yaml', 'no ordinary file'],
  ])('removes nothing when %s is %s, which it does not read', async (file, what) => {
    await shop();
    await run('export', dir);
    renameSync(path.join(dir, file), path.join(dir, '../moved'));
    if (what === 'a link') symlinkSync(path.join(dir, '../moved'), path.join(dir, file));
    else execFileSync('mkfifo', [path.join(dir, file)]);
    const { output, code } = await run('apply', dir, '--prune');
    expect({ output, code }).toEqual({
      output: expect.stringContaining(`${path.join(dir, file)} is ${what}`),
      code: 1,
    });
    expect((await api.listFns((await api.listApps())[0]?.id ?? '')).length).toBe(2);
  });

  it('reads files with names in capitals, so that --prune does not remove what they describe', async () => {
    await shop();
    await run('export', dir);
    renameSync(path.join(dir, 'shop/functions/cart.yaml'), path.join(dir, 'shop/functions/cart.YAML'));
    renameSync(path.join(dir, 'shop/app.yaml'), path.join(dir, 'shop/App.Yml'));
    expect((await run('apply', dir, '--prune')).output).toBe('0 changes made\n');
  });

  it('lets triggers exchange their sources', async () => {
    const { app } = await shop();
    await run('export', dir);
    edit('shop/functions/cart.yaml', (before) =>
      before.replace('/buy', '/tmp').replace('/look', '/buy').replace('/tmp', '/look'),
    );
    expect((await run('apply', dir)).code).toBe(0);
    const triggers = await api.listTriggers(app.id);
    expect(triggers.map(({ name, source }) => `${name} ${source}`)).toEqual(['buy /look', 'look /buy']);
    expect((await run('apply', dir)).output).toBe('0 changes made\n');
  });

  it('moves a trigger to another function with --prune', async () => {
    const { app } = await shop();
    await run('export', dir);
    edit('shop/functions/cart.yaml', (before) => before.replace('  - name: look\n    source: /look\n', ''));
    edit('shop/functions/pay.yaml', (before) => `${before}triggers:\n- name: look\n  source: /look\n`);
    expect((await run('apply', dir)).output).toMatch(
      /source \/look .* is used by trigger look of function cart, .*--prune/,
    );
    expect((await run('apply', dir, '--prune')).code).toBe(0);
    expect((await api.listTriggers(app.id)).map(({ source }) => source)).toEqual(['/buy', '/look']);
  });

  it('leaves the records of earlier deploys on a function', async () => {
    const { cart } = await shop();
    await api.updateFn(cart.id, { annotations: { 'fnfleet/deployed': ['image'], own: 1 } });
    await run('export', dir);
    edit('shop/functions/cart.yaml', (before) => before.replace(/annotations:\n(?: .*\n)+/, ''));
    await run('apply', dir);
    const { annotations } = (await api.getFn(cart.id)) ?? {};
    expect(Object.keys(annotations ?? {})).toEqual(['fnfleet/deployed', 'fnproject.io/fn/invokeEndpoint']);
  });

  it('does not overwrite what somebody else has changed since it compared', async () => {
    const { cart, app } = await shop();
    await run('export', dir);
    edit('shop/functions/cart.yaml', (before) => before.replace('cart:1', 'cart:mine'));
    rmSync(path.join(dir, 'shop/functions/pay.yaml'));
    const options = { prune: true, createOnly: false, showValues: false };
    const pay = await api.findFn(app.id, 'pay');
    for (const id of [cart.id, pay?.id ?? '']) {
      const plan = await planFolder(api, dir, options);
      await api.updateFn(id, { image: `theirs:${id}`.toLowerCase() });
      await expect(runPlan(plan, () => undefined)).rejects.toThrow(
        /has changed since it was read; run the command again/,
      );
      expect(await api.getFn(id)).toMatchObject({ image: `theirs:${id}`.toLowerCase() });
      expect((await run('apply', dir, ...(id === cart.id ? [] : ['--prune']))).code).toBe(0);
    }
  });

  it.each([
    ['a mistyped key', 'imagee: x', /cart\.yaml:\d+: imagee: unknown key; known: name, image, memory/],
    ['an image that no engine accepts', 'image: "Not An Image"', /cart\.yaml: .*Not An Image/],
    ['a limit that the API refuses', 'timeout: 4000', /cart\.yaml: /],
    ['no image', 'image:', /cart\.yaml:\d+: image: expected a image|cart\.yaml:\d+: image: expected an image/],
    ['a name twice', 'name: pay', /function "pay" is also in/],
    [
      'a source twice',
      'triggers: [{name: a, source: /pay}]',
      /source "\/pay" of trigger "pay" is also that of trigger "a"/,
    ],
    ['a source without its slash', 'triggers: [{name: a, source: pay}]', /cart\.yaml: .*'\/'/],
    ['not YAML', 'a: [', /cart\.yaml:\d+: /],
    ['aliases that expand to billions', bomb(), /values, with aliases expanded/],
  ])('changes nothing for a file with %s, and names it', async (_name, line, message) => {
    await shop();
    await run('export', dir);
    edit('shop/app.yaml', (before) => before.replace('A: "1"', 'A: "2"'));
    edit('shop/functions/pay.yaml', (before) => `${before}triggers:\n- name: pay\n  source: /pay\n`);
    const key = /^\w+/.exec(line)?.[0];
    edit(
      'shop/functions/cart.yaml',
      (before) => `${before.replace(new RegExp(`^${key}:.*\\n(?: .*\\n)*`, 'm'), '')}${line}\n`,
    );
    const { output, code } = await run('apply', dir);
    expect(output).toMatch(message);
    expect(code).toBe(1);
    expect(await api.findApp('shop')).toMatchObject({ config: { A: '1' } });
  });

  it('refuses a folder that is no export, or one of a later release', async () => {
    expect((await run('apply', path.dirname(dir))).output).toMatch(
      /is not a folder of resources: it has no fnfleet\.yaml/,
    );
    await run('export', dir);
    put('fnfleet.yaml', 'format: 2\n');
    expect((await run('apply', dir)).output).toMatch(/format 2; this release reads format 1/);
    put('fnfleet.yaml', 'format: 1\n');
    mkdirSync(path.join(dir, 'shop/functions'), { recursive: true });
    put('shop/functions/f.yaml', 'name: f\nimage: f:1\n');
    expect((await run('apply', dir)).output).toMatch(/belongs to no app/);
  });

  it('says how far it came, and goes on from there', async () => {
    await shop();
    await run('export', dir);
    edit('shop/functions/cart.yaml', (before) => before.replace('cart:1', 'cart:2'));
    edit('shop/functions/pay.yaml', (before) => before.replace('pay:1', 'pay:2'));
    let updates = 0;
    const failing = await newServer({
      beforeUpdate: () => {
        updates += 1;
        if (updates === 2) throw new Error('out of order');
      },
    });
    try {
      await run('import', dir, '--api', failing.address.url);
      edit('shop/functions/cart.yaml', (before) => before.replace('cart:2', 'cart:3'));
      edit('shop/functions/pay.yaml', (before) => before.replace('pay:2', 'pay:3'));
      const { output, code } = await run('apply', dir, '--api', failing.address.url);
      expect(output).toMatch(/1 of 2 changes were made; run it again/);
      expect(code).toBe(1);
      expect((await run('apply', dir, '--api', failing.address.url)).output).toMatch(
        /^~ function shop\/pay\n.*\n1 change made\n$/,
      );
    } finally {
      await failing.close();
    }
  });
});

async function newServer(fnListener: { beforeUpdate?(): void } = {}): Promise<ApiServer> {
  const settings = readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:', FN_PUBLIC_LB_URL: 'http://lb:8081' });
  const started = newApiServer({ settings, host: '127.0.0.1', port: 0, listeners: { fn: [fnListener] } });
  await started.ready;
  return started;
}

async function shop() {
  const app: AppRef = await api.createApp('shop', {
    config: { A: '1', SECRET: 's3cret' },
    annotations: { team: ['x', 1] },
    syslog_url: 'tcp://logs:514',
  });
  const cart = await api.createFn(app.id, { name: 'cart', image: 'cart:1', memory: 256 });
  await api.createFn(app.id, { name: 'pay', image: 'pay:1' });
  await api.createTrigger(cart, { name: 'buy', type: 'http', source: '/buy' });
  await api.createTrigger(cart, { name: 'look', type: 'http', source: '/look' });
  return { app, cart };
}

function run(...args: string[]) {
  return runCommand(...args, ...(args.includes('--api') ? [] : ['--api', server.address.url]));
}

function text(file: string): string {
  return readFileSync(path.join(dir, file), 'utf8');
}

function put(file: string, content: string): void {
  writeFileSync(path.join(dir, file), content);
}

function edit(file: string, change: (before: string) => string): void {
  const after = change(text(file));
  expect(after).not.toBe(text(file));
  put(file, after);
}

function byName<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function withoutFiles({ value, functions }: ReturnType<typeof readFolder>[number]) {
  return { value, functions: functions.map((fn) => fn.value) };
}

function bomb(): string {
  const levels = Array.from(
    { length: 9 },
    (_, at) =>
      `  k${at}: &a${at} [${Array(9)
        .fill(at === 0 ? '1' : `*a${at - 1}`)
        .join(', ')}]`,
  );
  return `annotations:\n${levels.join('\n')}`;
}
