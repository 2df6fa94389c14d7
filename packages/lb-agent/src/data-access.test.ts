import { FakeClock } from '@fnfleet/core';
import { newApiLookup } from './lookup/function-lookup.js';
import { FakeApiNode } from './test-kit/fake-api-node.js';
import { CONTENTS } from './test-kit/test-fleet.js';

let clock: FakeClock;
let api: FakeApiNode;
let lookup: ReturnType<typeof newApiLookup>;
const caller = () => new AbortController().signal;

beforeEach(async () => {
  clock = new FakeClock();
  api = await FakeApiNode.start(CONTENTS);
  lookup = newApiLookup(`${api.url}/any/path`, { clock, random: () => 0 });
});
afterEach(async () => {
  await lookup.close();
  await api.close();
  expect(clock.pendingTimers).toBe(0);
});

it('http-api 102: after five seconds it queries the API node again, for function and app at the same time', async () => {
  const first = await lookup.byId('fn1', caller());
  expect(await lookup.byId('fn1', caller())).toBe(first);
  expect(api.requests).toEqual(['GET /v2/fns/fn1', 'GET /v2/apps/app1']);

  await clock.advance(5000);
  const gate = Promise.withResolvers<void>();
  api.gate = gate.promise;
  const looked = lookup.byId('fn1', caller());
  while (api.requests.length < 4) await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  expect((await looked).fn).not.toBe(first.fn);
  expect(api.requests).toHaveLength(4);
});

it('refreshes a value in the background if it is used in the second half of its five seconds', async () => {
  const first = await lookup.byId('fn1', caller());
  await clock.advance(2499);
  expect(lookup.known('fn1')).toBe(first);
  expect(api.requests).toHaveLength(2);
  await clock.advance(1);
  expect(lookup.known('fn1')).toBe(first);
  await clock.advance(5);
  while (lookup.known('fn1')?.fn === first.fn || api.requests.length < 4)
    await new Promise((resolve) => setImmediate(resolve));
  expect(api.requests).toEqual(['GET /v2/fns/fn1', 'GET /v2/apps/app1', 'GET /v2/fns/fn1', 'GET /v2/apps/app1']);
});

it('with a TTL of half a second, cached values are gone after half a second', async () => {
  const quick = newApiLookup(api.url, { clock, random: () => 0 }, 500);
  const first = await quick.byId('fn1', caller());
  await clock.advance(500);
  expect(quick.known('fn1')).toBeUndefined();
  expect((await quick.byId('fn1', caller())).fn).not.toBe(first.fn);
  await quick.close();
});

it('reports the state of its API node, which it queries each time', async () => {
  for (let n = 0; n < 2; n += 1) expect(await lookup.apiNodes(3_000)).toEqual([{ url: api.url, inUse: true }]);
  expect(api.requests).toEqual(Array(2).fill('GET /v2/apps?per_page=1'));
  await api.close();
  expect((await lookup.apiNodes(3_000))?.[0]?.trouble).toMatch(/ECONNREFUSED|socket hang up/);
});

it('http-api 103: caches for one second that a function does not exist', async () => {
  const missing = () => lookup.byId('nope', caller());
  await expect(missing()).rejects.toThrow('Fn not found');
  await expect(missing()).rejects.toThrow('Fn not found');
  expect(api.requests).toHaveLength(1);
  await clock.advance(1000);
  await expect(missing()).rejects.toThrow('Fn not found');
  expect(api.requests).toHaveLength(2);
});

it('http-api 104: ten concurrent lookups are one request', async () => {
  await Promise.all(Array.from({ length: 10 }, () => lookup.byId('fn1', caller())));
  expect(api.requests).toEqual(['GET /v2/fns/fn1', 'GET /v2/apps/app1']);
});

it('C5: a lookup after a change sees it, even while an older answer is on its way', async () => {
  const gate = Promise.withResolvers<void>();
  api.gate = gate.promise;
  const before = lookup.byId('fn1', caller());
  while (api.requests.length < 1) await new Promise((resolve) => setImmediate(resolve));

  lookup.forget();
  const after = lookup.byId('fn1', caller());
  while (api.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();

  expect((await before).fn).not.toBe((await after).fn);
  expect((await lookup.byId('fn1', caller())).fn).toBe((await after).fn);
});

it('http-api 105: retries if the API node fails, but not if it refuses the request', async () => {
  api.failures.push(500, 500);
  const found = lookup.byId('fn1', caller());
  await advanceUntil(found);
  expect((await found).fn.name).toBe('cart');
  expect(api.requests.filter((request) => request.endsWith('/fns/fn1'))).toHaveLength(3);

  await expect(lookup.byId('gone', caller())).rejects.toMatchObject({ code: 'fnNotFound' });
  expect(api.requests.filter((request) => request.endsWith('/fns/gone'))).toHaveLength(1);
});

it.each`
  story                                              | failures                          | requests | code
  ${'that keeps failing is unavailable'}             | ${[500, 503, 500, 500, 502, 500]} | ${6}     | ${'lookupUnavailable'}
  ${'that refuses the request is not queried again'} | ${[403]}                          | ${1}     | ${'internal'}
`('an API node $story', async ({ failures, requests, code }) => {
  api.failures.push(...failures);
  const lookedUp = lookup.byId('fn1', caller()).catch((error: unknown) => error);
  await advanceUntil(lookedUp);
  expect(await lookedUp).toMatchObject({ code, cause: { message: expect.stringContaining('GET /v2/fns/fn1: ') } });
  expect(api.requests).toHaveLength(requests);
});

it('while the API node is unreachable, lookups are unavailable and the log has the reason', async () => {
  await api.close();
  const lookedUp = lookup.byId('fn1', caller()).catch((error: unknown) => error);
  await advanceUntil(lookedUp);
  expect(await lookedUp).toMatchObject({
    code: 'lookupUnavailable',
    status: 503,
    cause: { message: expect.stringContaining('ECONNREFUSED') },
  });
});

describe('C4: while the API node does not answer', () => {
  beforeEach(async () => {
    await lookup.byId('fn1', caller());
    await clock.advance(5_000);
  });

  it('cached values stay in use, and only the first call waits', async () => {
    await api.close();
    const first = lookup.byId('fn1', caller());
    await advanceUntil(first);
    expect((await first).fn.id).toBe('fn1');
    const before = clock.now();
    expect((await lookup.byId('fn1', caller())).fn.id).toBe('fn1');
    expect(clock.now()).toBe(before);
  });

  it('calls wait at most one second for a node that hangs', async () => {
    api.gate = new Promise(() => undefined);
    const lookedUp = lookup.byId('fn1', caller());
    // The app's is another lookup.
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect((await lookedUp).fn.id).toBe('fn1');
  });

  it('cached values stay in use until the API node is back', async () => {
    await api.close();
    await clock.advance(20 * 60_000);
    const lookedUp = lookup.byId('fn1', caller());
    await advanceUntil(lookedUp);
    expect((await lookedUp).fn.id).toBe('fn1');
  });

  it('a function that it reports as deleted is 404', async () => {
    api.failures.push(404);
    await expect(lookup.byId('fn1', caller())).rejects.toThrow('Fn not found');
  });

  it('a caller that disconnects gets no answer', async () => {
    api.gate = new Promise(() => undefined);
    const gone = new AbortController();
    const lookedUp = lookup.byId('fn1', gone.signal);
    const left = expect(lookedUp).rejects.toThrow('left');
    gone.abort(new Error('left'));
    await left;
  });
});

it('an unreadable answer counts as a failure of the API node', async () => {
  const broken = await FakeApiNode.start({ fns: [{ id: 'fn1', memory: 'lots' }] });
  const other = newApiLookup(broken.url, { clock });
  await expect(other.byId('fn1', caller())).rejects.toMatchObject({ code: 'lookupUnavailable' });
  await other.close();
  await broken.close();
});

it('a caller that disconnects does not affect the others; the last one cancels the request', async () => {
  const gate = Promise.withResolvers<void>();
  api.gate = gate.promise;
  const impatient = new AbortController();
  const one = lookup.byId('fn1', impatient.signal);
  const other = lookup.byId('fn1', caller());
  impatient.abort(new Error('left'));
  await expect(one).rejects.toThrow('left');
  gate.resolve();
  expect((await other).fn.id).toBe('fn1');

  const last = new AbortController();
  api.gate = new Promise(() => undefined);
  const alone = lookup.byId('fn2', last.signal);
  last.abort(new Error('left'));
  await expect(alone).rejects.toThrow('left');
  // Nobody waits any more: a later caller starts anew instead of joining what was given up.
  api.gate = undefined;
  await expect(lookup.byId('fn2', caller())).rejects.toMatchObject({ code: 'fnNotFound' });
});

it('sends no request for impossible names', async () => {
  await expect(lookup.byId('x'.repeat(256), caller())).rejects.toMatchObject({ code: 'fnNotFound' });
  await expect(lookup.byTrigger('é'.repeat(128), '/', caller())).rejects.toMatchObject({ code: 'appNotFound' });
  expect(api.requests).toEqual([]);
});

it('special characters in a name reach the API node within one path segment', async () => {
  await expect(lookup.byId('a/../b?c', caller())).rejects.toMatchObject({ code: 'fnNotFound' });
  await expect(lookup.byTrigger('shop', '/what?', caller())).rejects.toMatchObject({ code: 'triggerNotFound' });
  expect(api.requests).toContain('GET /v2/fns/a%2F..%2Fb%3Fc');
  expect(api.requests).toContain('GET /v2/runner/apps/app1/triggerBySource/http//what%3F');
});

it('an API address without a host is rejected', () => {
  expect(() => newApiLookup('http://', { clock })).toThrow('FN_RUNNER_API_URL: no host specified for client');
});

/** Lets the pauses between tries pass as soon as they begin. */
async function advanceUntil(work: Promise<unknown>): Promise<void> {
  let done = false;
  const stop = () => {
    done = true;
  };
  work.then(stop, stop);
  while (!done) await clock.advance(25);
}
