// takes: 3 s
import type { ServerResponse } from 'node:http';
import { FakeClock, MIB } from '@fnfleet/core';
import { newApiLookup } from './lookup/function-lookup.js';
import { LookupCache } from './lookup/lookup-cache.js';
import { FakeApiNode } from './test-kit/fake-api-node.js';

const ANOTHER_APP = { id: 'app2', name: 'secret', config: {} };
const APP = { id: 'app1', name: 'shop', config: {} };
const LIMITS = { memory: 128, timeout: 30, idle_timeout: 30 };
const FN = { id: 'fn1', name: 'cart', app_id: 'app1', image: 'shop/cart:1', ...LIMITS };
const ANOTHER_FN = { ...FN, id: 'fn2', app_id: 'app2' };
const TRIGGER = { id: 'trigger1', name: 'hot', app_id: 'app1', fn_id: 'fn1', type: 'http', source: '/hot' };
const ANOTHER_TRIGGER = { ...TRIGGER, id: 'trigger2', app_id: 'app2', fn_id: 'fn2', source: '/secret' };

let clock: FakeClock;
let api: FakeApiNode;
let lookup: ReturnType<typeof newApiLookup>;
let contents: { apps: (typeof APP)[]; fns: (typeof FN)[]; triggers: (typeof TRIGGER)[] };
const caller = () => new AbortController().signal;

beforeEach(async () => {
  clock = new FakeClock();
  contents = { apps: [APP, ANOTHER_APP], fns: [FN, ANOTHER_FN], triggers: [TRIGGER, ANOTHER_TRIGGER] };
  api = await FakeApiNode.start(contents);
  lookup = newApiLookup(api.url, { clock, random: () => 0 });
});
afterEach(async () => {
  await lookup.close();
  await api.close();
  expect(clock.pendingTimers).toBe(0);
});

const byId = (id = 'fn1') => lookup.byId(id, caller());
const byTrigger = (source = '/hot') => lookup.byTrigger('shop', source, caller());
const codeOf = (looked: Promise<unknown>) =>
  looked.then(
    () => 'found',
    (error) => error.code,
  );
/** Lets real network traffic happen until so much has been asked, and nothing more is. */
async function asked(atLeast = 0): Promise<readonly string[]> {
  for (let before = -1; before !== api.requests.length || before < atLeast; ) {
    before = api.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return api.requests;
}

describe('an API node, or a proxy in front of it, that answers', () => {
  const answer = (path: string, value: unknown) => () => {
    api.instead = (target, res) => {
      if (!target.startsWith(path)) return false;
      res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
      return true;
    };
  };

  it.each`
    what                             | hostile                                                   | look
    ${'with another function'}       | ${answer('/v2/fns/', ANOTHER_FN)}                         | ${byId}
    ${'with a function without id'}  | ${answer('/v2/fns/', {})}                                 | ${byId}
    ${'with a list'}                 | ${answer('/v2/fns/', [FN])}                               | ${byId}
    ${'with null'}                   | ${answer('/v2/fns/', null)}                               | ${byId}
    ${'with another app'}            | ${answer('/v2/apps/', ANOTHER_APP)}                       | ${byId}
    ${'with an app of another name'} | ${answer('/v2/apps?', { items: [ANOTHER_APP] })}          | ${byTrigger}
    ${'with every app'}              | ${answer('/v2/apps?', { items: [ANOTHER_APP, APP] })}     | ${byTrigger}
    ${"with another app's trigger"}  | ${answer('/v2/runner/', ANOTHER_TRIGGER)}                 | ${byTrigger}
    ${'with another trigger'}        | ${answer('/v2/runner/', { ...TRIGGER, source: '/cold' })} | ${byTrigger}
    ${"with another app's function"} | ${answer('/v2/runner/', { ...TRIGGER, fn_id: 'fn2' })}    | ${byTrigger}
  `('$what is not trusted, and serves again once its answers are right', async ({ hostile, look }) => {
    hostile();
    expect(await codeOf(look())).toBe('lookupUnavailable');
    api.instead = () => false;
    await clock.advance(5_000);
    expect([await codeOf(byId()), await codeOf(byTrigger())]).toEqual(['found', 'found']);
    expect((await byId()).fn.id).toBe('fn1');
  });

  it('about something else does not replace cached values', async () => {
    await byTrigger();
    await clock.advance(5_000);
    answer('/v2/', ANOTHER_FN)();
    expect((await byId()).fn.id).toBe('fn1');
    expect((await byTrigger()).template.app.name).toBe('shop');
  });

  it('for a path with dot segments gives the caller no function of another app', async () => {
    const path = '/../../../../app2/triggerBySource/http//secret';
    expect(await codeOf(byTrigger(path))).toBe('lookupUnavailable');
    expect(api.requests.at(-1)).toContain('/app1/triggerBySource/http//..');
  });

  it('without an end is not read to the end', async () => {
    let taken = 0;
    const part = Buffer.alloc(MIB, 'x');
    const writeOn = (res: ServerResponse) => {
      for (let more = true; more && !res.destroyed; taken += part.length) more = res.write(part);
    };
    api.instead = (_target, res) => {
      res.on('drain', () => writeOn(res));
      writeOn(res);
      return true;
    };
    const looked = codeOf(byId());
    await untilSettled(looked);
    expect(await looked).toBe('lookupUnavailable');
    expect(taken).toBeLessThan(90 * MIB);
  });

  it('too slowly times out after a minute, and is blamed for it', async () => {
    api.instead = (_target, res) => res.writeHead(200).write('{');
    const looked = codeOf(byId());
    await asked();
    await clock.advance(60_000);
    expect(await looked).toBe('lookupUnavailable');
  });
});

describe('a caller that makes up names', () => {
  it.each([
    ['__proto__'],
    ['constructor'],
    ['hasOwnProperty'],
    ['.'],
    ['..'],
    ['%2e%2e'],
    ['FN1'],
    ['fn1 '],
    ['fn1\0'],
    ['fn1?x=1'],
    ['fn1#'],
    ['fn1\u0301'],
    ['\u202efn1'],
    ['app1\0/hot'],
    ['../apps/app1'],
    ['💥'.repeat(63)],
  ])('gets nothing for %j, causes one request per second, and others are served', async (name) => {
    await byTrigger();
    for (const looked of [byId(name), byId(name)]) expect(await codeOf(looked)).toBe('fnNotFound');
    const app = () => lookup.byTrigger(name, '/hot', caller());
    for (const looked of [app(), app()]) expect(await codeOf(looked)).toBe('appNotFound');
    for (const looked of [byTrigger(`/${name}`), byTrigger(`/${name}`)]) {
      expect(await codeOf(looked)).toBe('triggerNotFound');
    }
    // Three more than for the function that there is.
    expect(api.requests).toHaveLength(4 + 3);
    expect([await codeOf(byId()), await codeOf(byTrigger())]).toEqual(['found', 'found']);
  });

  it('causes at most 64 lookups at a time, further ones are rejected, and known functions are still looked up', async () => {
    await byId();
    await clock.advance(5_000);
    api.requests.length = 0;
    const gate = Promise.withResolvers<void>();
    api.gate = gate.promise;
    const codes = Array.from({ length: 5_000 }, (_, index) => codeOf(byId(`made-up-${index}`)));
    expect(await asked(64)).toHaveLength(64);
    const known = byId();
    expect((await asked(66)).slice(64).sort()).toEqual(['GET /v2/apps/app1', 'GET /v2/fns/fn1']);
    gate.resolve();
    expect((await known).fn.id).toBe('fn1');
    const counts = Map.groupBy(await Promise.all(codes), (code) => code);
    expect(counts.get('fnNotFound')).toHaveLength(64 + 1_000);
    expect(counts.get('lookupUnavailable')).toHaveLength(5_000 - 64 - 1_000);
    expect(await codeOf(byId('later'))).toBe('fnNotFound');
  });

  it('and disconnects leaves the lookup queue', async () => {
    api.gate = new Promise(() => undefined);
    const leaving = new AbortController();
    const looked = Array.from({ length: 1_064 }, (_, index) => codeOf(lookup.byId(`made-up-${index}`, leaving.signal)));
    expect(await asked(64)).toHaveLength(64);
    leaving.abort(Object.assign(new Error('left'), { code: 'left' }));
    expect(new Set(await Promise.all(looked))).toEqual(new Set(['left']));
    api.gate = undefined;
    expect(await codeOf(byId())).toBe('found');
  });
});

describe('ten thousand cached functions that expire together', () => {
  const KEYS = Array.from({ length: 10_000 }, (_, index) => `fn${index}`);
  let underway: (() => void)[];
  let fetched: number;
  let most: number;
  let held: boolean;
  let cache: LookupCache<string>;

  beforeEach(async () => {
    [underway, fetched, most, held] = [[], 0, 0, false];
    const options = { ttlMs: 5_000, missTtlMs: 1_000, maxEntries: 10_000, fetchTimeoutMs: 60_000 };
    const fetch = async (key: string) => {
      fetched += 1;
      if (held) {
        await new Promise<void>((resolve) => {
          most = Math.max(most, underway.push(resolve));
        });
      }
      return key;
    };
    cache = new LookupCache(fetch, options, clock);
    for (const key of KEYS) await cache.get(key, caller());
    fetched = 0;
    held = true;
  });
  afterEach(() => cache.close());

  it('are refreshed 16 at a time, and are served meanwhile', async () => {
    await clock.advance(2_500);
    for (const key of KEYS) expect(cache.known(key)).toBe(key);
    await clock.advance(5);
    expect(fetched).toBe(16);
    for (const land of underway.splice(0)) land();
    await clock.advance(0);
    for (const key of KEYS) expect(cache.known(key)).toBe(key);
    await clock.advance(5);
    expect(fetched).toBe(32);
    for (const land of underway.splice(0)) land();
    await clock.advance(0);
  });

  it('are looked up 48 at a time when all are called after a pause, and every call is served', async () => {
    await clock.advance(5_000);
    const values = KEYS.map(async (key) => cache.get(key, caller()));
    await clock.advance(0);
    expect(fetched).toBe(48);
    held = false;
    for (const land of underway.splice(0)) land();
    expect(await Promise.all(values)).toEqual(KEYS);
    expect([fetched, most]).toEqual([10_000, 48]);
  });
});

describe('an object that is deleted and created again under the same name', () => {
  beforeEach(async () => {
    await byTrigger();
    await clock.advance(1_000);
  });

  it('an app is found at once', async () => {
    contents.apps.splice(0, 1, { ...APP, id: 'app9' });
    contents.fns.splice(0, 1, { ...FN, id: 'fn9', app_id: 'app9' });
    contents.triggers.splice(0, 1, { ...TRIGGER, id: 'trigger9', app_id: 'app9', fn_id: 'fn9', source: '/new' });
    expect((await byTrigger('/new')).template.fn.id).toBe('fn9');
  });

  it('a function is found once the balancer has learned that the old one is gone', async () => {
    contents.fns.splice(0, 1, { ...FN, id: 'fn9' });
    contents.triggers.splice(0, 1, { ...TRIGGER, fn_id: 'fn9' });
    await clock.advance(1_500);
    // Others who call the old one by its id.
    await byId();
    await clock.advance(5);
    while ((await codeOf(byId())) === 'found') await new Promise((resolve) => setImmediate(resolve));
    const looked = byTrigger();
    await untilSettled(looked);
    expect((await looked).template.fn.id).toBe('fn9');
  });

  it('causes one request per second, however many lookups miss', async () => {
    for (let at = 0; at < 50; at += 1) expect(await codeOf(byTrigger(`/missing${at}`))).toBe('triggerNotFound');
    expect(api.requests.filter((request) => request.startsWith('GET /v2/apps?'))).toHaveLength(2);
  });

  it('a deleted app is 404', async () => {
    contents.apps.splice(0, 1);
    contents.fns.splice(0, 1);
    contents.triggers.splice(0, 1);
    expect(await codeOf(byTrigger('/new'))).toBe('triggerNotFound');
    expect(await codeOf(byTrigger('/new'))).toBe('appNotFound');
  });
});

/** Lets the pauses between tries pass as soon as they begin. */
async function untilSettled(work: Promise<unknown>): Promise<void> {
  let done = false;
  void work.then(() => {
    done = true;
  });
  while (!done) await clock.advance(25);
}
