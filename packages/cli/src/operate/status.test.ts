import { FakeClock } from '@fnfleet/core';
import type { FleetAnswer, RunnerLine } from '@fnfleet/operator-api';
import type { Fetch } from '../access/secure-fetch.js';
import { ApiClient } from '../api-client.js';
import { formatFunctions, totals } from '../commands/top.js';
import { askBalancers, attention } from './balancers.js';
import { findRunner } from './find-runner.js';
import { formatStatus } from './format-status.js';
import { FunctionNames } from './function-names.js';

const GIB = 1024 ** 3;
const OURS: RunnerLine = {
  address: 'r1:9190',
  state: 'ok',
  in_flight: 3,
  warm_functions: 2,
  name: 'box-1',
  version: '0.1.0',
  http_port: 8080,
  hot_functions: 2,
  hot_containers: 5,
  clock_skew_ms: -3,
  clock_uncertainty_ms: 1,
  load: {
    memory_used_bytes: 3 * GIB,
    memory_idle_bytes: GIB,
    memory_total_bytes: 8 * GIB,
    cpu_used_millis: 500,
    cpu_total_millis: 4000,
    active: 4,
    waiting: 1,
    draining: false,
    degraded: false,
  },
};
const GO: RunnerLine = { address: 'go:9190', state: 'ok', in_flight: 1, warm_functions: 0 };
const POOL = { kind: 'static', source: 'static://r1:9190,go:9190', failing: false };
const fleetOf = (fleet: Partial<FleetAnswer>) => ({
  url: 'http://lb',
  fleet: { runners: [OURS, GO], pool: POOL, ...fleet },
});

it('shows what each runner reports, and ? for what an Fn runner does not', () => {
  const seen = [fleetOf({ version: '0.1.0', waiting: 2, in_flight: 4, cordons: ['away:9190'] })];
  expect(formatStatus(seen, attention(seen))).toEqual([
    'balancer http://lb   version 0.1.0, 2 waiting, 4 in flight, 2 runners from static://r1:9190,go:9190',
    'RUNNER   NAME   STATE  IN FLIGHT  WAITING         MEMORY FREE  CPU FREE  HOT               VERSION  CLOCK  WHY',
    'r1:9190  box-1  ok             3        1  6.0 GiB of 8.0 GiB       3.5  5 in 2 functions  0.1.0    -3 ms',
    'go:9190  ?      ok             1        ?                   ?         ?  ?                 ?            ?',
    'cordoned, but not in the pool now: away:9190',
    '',
    'all is well',
  ]);
});

it('shows the source of functions', () => {
  const seen = [fleetOf({ api: { url: 'http://api:8080' } })];
  expect(formatStatus(seen, attention(seen))[0]).toMatch(/, functions from http:\/\/api:8080$/);
  expect(attention(seen)).toEqual([]);
});

it('shows every source of functions, the one in use first', () => {
  const nodes = [
    { url: 'http://api1:8080', in_use: false, trouble: 'connect ECONNREFUSED' },
    { url: 'http://api2:8080', in_use: true },
  ];
  const seen = [fleetOf({ api: { url: 'http://api2:8080' }, api_nodes: nodes })];
  expect(formatStatus(seen, attention(seen))[0]).toMatch(
    /, functions from http:\/\/api2:8080 \(or http:\/\/api1:8080\)$/,
  );
  expect(attention(seen)).toEqual(['cannot look up functions at http://api1:8080: connect ECONNREFUSED']);
});

it.each<[string, Partial<FleetAnswer>, RegExp[]]>([
  [
    'an API node that is away',
    { api: { url: 'http://api:8080', trouble: 'GET /v2/apps?per_page=1: connect ECONNREFUSED' } },
    [/^cannot look up functions at http:\/\/api:8080: .*ECONNREFUSED$/],
  ],
  [
    'a runner that is out',
    { runners: [OURS, { ...GO, state: 'ejected', reason: 'calls fail on it: broken' }] },
    [/^go:9190 is ejected: calls fail on it: broken$/],
  ],
  [
    'one without containers',
    { runners: [{ ...OURS, load: { ...OURS.load, degraded: true, degraded_reason: 'no engine' } as never }] },
    [/^r1:9190 is degraded: no engine$/],
  ],
  ['a clock', { runners: [{ ...OURS, clock_skew_ms: 61_000 }] }, [/^the clock of r1:9190 differs by \+61 s/]],
  [
    'a pool',
    { pool: { ...POOL, failing: true, last_failure: { reason: 'ENOENT', age_ms: 1 } } },
    [/cannot look up its runners in static.*: ENOENT/],
  ],
  [
    'an entry of the pool',
    { pool: { ...POOL, refused: [{ address: 'x', reason: 'the port is missing' }] } },
    [/^x is not the address of a runner: the port is missing$/],
  ],
  [
    'nobody who takes calls',
    { runners: [{ ...OURS, state: 'draining' }] },
    [/^http:\/\/lb has no runner that takes calls$/],
  ],
  ['runners that share a name', { troubles: ['both are called x'] }, [/^both are called x$/]],
])('asks for attention to %s', (_, fleet, expected) => {
  expect(attention([fleetOf(fleet)])).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});

it('ignores a skew within the measurement error, and states that an operator caused', () => {
  const runners = [
    { ...OURS, clock_skew_ms: 1900, clock_uncertainty_ms: 1000 },
    { ...GO, state: 'cordoned', reason: 'an operator' },
  ];
  expect(attention([fleetOf({ runners })])).toEqual([]);
});

describe('asking', () => {
  const answering = (byUrl: Readonly<Record<string, string>>) => async (url: string) => {
    const body = byUrl[url];
    if (body === undefined) throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    return new Response(body);
  };

  it('reports a balancer that does not answer, unless its address is a default', async () => {
    const fetch = answering({ 'http://a/fleet': '{"runners":[]}', 'http://c/fleet': '"?"' });
    const asked = await askBalancers(['http://a', 'http://b', 'http://c'], fetch, { guessed: false });
    expect(asked).toEqual([
      { url: 'http://a', fleet: { runners: [] } },
      { url: 'http://b', error: 'http://b/fleet does not answer: connect ECONNREFUSED' },
      {
        url: 'http://c',
        error: 'http://c/fleet is not an HTTP port of fnfleet: its answer is not the expected JSON',
      },
    ]);
    expect(attention(asked)).toHaveLength(2);
    expect(await askBalancers(['http://a', 'http://b'], fetch, { guessed: true })).toHaveLength(1);
    await expect(askBalancers(['http://b'], fetch, { guessed: true })).rejects.toThrow(
      /no balancer answers .*FN_LB_URL.*ECONNREFUSED/s,
    );
  });
});

it('finds a runner by address in any notation, or by name unless that is ambiguous', () => {
  const seen = [fleetOf({}), fleetOf({})];
  expect(findRunner(seen, 'R1:9190').map(({ address }) => address)).toEqual(['r1:9190', 'r1:9190']);
  expect(findRunner(seen, 'box-1')).toHaveLength(2);
  expect(() => findRunner(seen, 'box-2')).toThrow(
    /no balancer has a runner called "box-2"; known runners: r1:9190 \(box-1\), go:9190/,
  );
  const twins = [fleetOf({ runners: [OURS, { ...OURS, address: 'r3:9190' }] })];
  expect(() => findRunner(twins, 'box-1')).toThrow('several runners are called box-1: r1:9190, r3:9190');
});

it('finds a runner by host if only one runs there', () => {
  const seen = [fleetOf({})];
  expect(findRunner(seen, 'GO').map(({ address }) => address)).toEqual(['go:9190']);
  const twins = [fleetOf({ runners: [OURS, { ...OURS, address: 'r1:9191', name: 'box-2' }] })];
  expect(() => findRunner(twins, 'r1')).toThrow('several runners are at r1: r1:9190, r1:9191. Use an address');
  expect(() => findRunner([fleetOf({ runners: [] })], 'runner')).toThrow(
    'no balancer has a runner called "runner"; known runners: none',
  );
});

it('shows functions with the names of app and function, or with their ids if unknown', async () => {
  const line = (fn_id: string) => ({ fn_id, hot: 1, idle: 0, starting: 0, waiting: 0, runners: 1 });
  const asked: string[] = [];
  const fetch: Fetch = async (url) => {
    asked.push(url);
    if (url.endsWith('/v2/fns/f1')) return Response.json({ id: 'f1', app_id: 'a1', name: 'cart', image: 'i' });
    if (url.endsWith('/v2/apps/a1')) return Response.json({ id: 'a1', name: 'shop' });
    return Response.json({ message: 'Fn not found' }, { status: 404 });
  };
  const names = new FunctionNames(new ApiClient('http://api', fetch));
  const shown = async () => formatFunctions([line('f1'), line('f2')], 10, await names.of(['f1', 'f2']));
  expect((await shown()).map((row) => row.split(' ')[0])).toEqual(['FUNCTION', 'shop/cart', 'f2']);
  // Once is enough: they have these names for good.
  await shown();
  expect(asked).toHaveLength(3);
});

it('shows functions by id while the API node does not answer, and retries a minute later', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const away: Fetch = () => {
    asked += 1;
    return Promise.reject(new Error('connect ECONNREFUSED'));
  };
  const names = new FunctionNames(new ApiClient('http://api', away), clock);
  const ids = Array.from({ length: 50 }, (_, n) => `f${n}`);
  expect(await names.of(ids)).toEqual(new Map());
  expect(await names.of(ids)).toEqual(new Map());
  expect(asked).toBeLessThanOrEqual(8);
  const before = asked;
  await clock.advance(60_001);
  await names.of(ids);
  expect(asked).toBeGreaterThan(before);
});

it('sums functions over runners, and lists those with waiting calls first', () => {
  const line = (fn_id: string, hot: number, waiting = 0) => ({ fn_id, hot, idle: 0, starting: 0, waiting });
  expect(totals([line('a', 2), line('b', 1, 5), line('a', 3)])).toEqual([
    { ...line('b', 1, 5), runners: 1 },
    { ...line('a', 5), runners: 2 },
  ]);
});
