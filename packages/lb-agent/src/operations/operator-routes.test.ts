import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLogger, VERSION } from '@fnfleet/core';
import { createNodeApp, type Route } from '@fnfleet/http';
import type { FleetStatus } from '@fnfleet/placement';
import { cordonRoutes, explainRoute, fleetRoute, pullsOfRunners, pullsRoute } from './operator-routes.js';

/** What a route answers. */
async function answerOf(route: Route | undefined, request: { params?: object; query?: object } = {}): Promise<unknown> {
  let text = '';
  const res = {
    setHeader: () => res,
    writeHead: () => res,
    end: (body: string) => {
      text = body;
    },
  };
  await route?.handle({ params: {}, query: {}, ...request } as never, res as never);
  return JSON.parse(text);
}

const LOAD = {
  instanceId: 'x',
  memoryUsedBytes: 1,
  memoryIdleBytes: 2,
  memoryTotalBytes: 3,
  cpuUsedMillis: 4,
  cpuTotalMillis: 5,
  active: 6,
  waiting: 7,
  freeSlots: undefined,
  draining: true,
  degraded: true,
  degradedReason: 'the engine hangs',
};

const FLEET: FleetStatus = {
  waiting: 3,
  inFlight: 4,
  pool: {
    kind: 'file',
    source: 'file:///runners',
    addresses: ['r1:9190'],
    leaving: ['r0:9190'],
    refused: [{ address: 'nonsense', reason: 'the port is missing' }],
    listAgeMs: 10,
    changedAgeMs: 20,
    failing: true,
    lastFailure: { reason: 'ENOENT', ageMs: 30 },
  },
  cordons: ['r1:9190'],
  troubles: ['two of one name'],
  runners: [
    {
      address: 'r1:9190',
      state: 'cordoned',
      reason: 'an operator said so',
      cordoned: true,
      inFlight: 4,
      weight: 0.5,
      warmFunctions: 2,
      load: LOAD,
      identity: {
        about: { name: 'box', version: '1.2', httpPort: 8080, hotFunctions: 5, hotContainers: 6 },
        clockSkewMs: 7,
        uncertaintyMs: 8,
      } as never,
    },
    {
      address: 'r2:9190',
      state: 'ok',
      reason: undefined,
      cordoned: false,
      inFlight: 0,
      weight: 1,
      warmFunctions: 0,
      load: undefined,
      identity: undefined,
    },
  ],
};

it('GET /fleet reports the whole state of the fleet with the documented names', async () => {
  const asked: number[] = [];
  const route = fleetRoute(
    {
      fleet: async (askMs) => {
        asked.push(askMs);
        return FLEET;
      },
    },
    {
      apiNodes: async () => [
        { url: 'http://api1:8080', inUse: true, trouble: 'it is away' },
        { url: 'http://api2:8080', inUse: false },
      ],
    },
  );
  expect(await answerOf(route)).toEqual({
    version: VERSION,
    now_ms: expect.any(Number),
    waiting: 3,
    in_flight: 4,
    pool: {
      kind: 'file',
      source: 'file:///runners',
      list_age_ms: 10,
      changed_age_ms: 20,
      failing: true,
      last_failure: { reason: 'ENOENT', age_ms: 30 },
      leaving: ['r0:9190'],
      refused: [{ address: 'nonsense', reason: 'the port is missing' }],
    },
    cordons: ['r1:9190'],
    troubles: ['two of one name'],
    runners: [
      {
        address: 'r1:9190',
        state: 'cordoned',
        reason: 'an operator said so',
        cordoned: true,
        in_flight: 4,
        weight: 0.5,
        warm_functions: 2,
        name: 'box',
        version: '1.2',
        http_port: 8080,
        hot_functions: 5,
        hot_containers: 6,
        clock_skew_ms: 7,
        clock_uncertainty_ms: 8,
        load: {
          incarnation: 'x',
          memory_used_bytes: 1,
          memory_idle_bytes: 2,
          memory_total_bytes: 3,
          cpu_used_millis: 4,
          cpu_total_millis: 5,
          active: 6,
          waiting: 7,
          draining: true,
          degraded: true,
          degraded_reason: 'the engine hangs',
        },
      },
      { address: 'r2:9190', state: 'ok', cordoned: false, in_flight: 0, weight: 1, warm_functions: 0 },
    ],
  });
  // The API nodes are asked where the runners are.
  expect(await answerOf(route, { query: { ask: '1' } })).toMatchObject({
    // Functions can be looked up, at the other one.
    api: { url: 'http://api2:8080' },
    api_nodes: [
      { url: 'http://api1:8080', in_use: true, trouble: 'it is away' },
      { url: 'http://api2:8080', in_use: false },
    ],
  });
  expect(await answerOf(route, { query: { ask: '0' } })).not.toHaveProperty('api.url');
  expect(asked).toEqual([0, 1_000, 0]);
});

it('GET /fleet of a node without runners lists none', async () => {
  expect(await answerOf(fleetRoute({ fleet: async () => undefined }, {}))).toEqual({
    version: VERSION,
    now_ms: expect.any(Number),
    runners: [],
  });
});

it('a cordon for an unknown runner is refused, with the known runners', async () => {
  const refusal = (count: number) => {
    const runners = Array.from({ length: count }, (_, i) => ({ ...FLEET.runners[1], address: `r${i}` }));
    const operations = { setCordoned: async () => false, fleet: async () => ({ ...FLEET, runners }) as FleetStatus };
    return answerOf(cordonRoutes(operations)[0], { params: { address: 'r99' } }).catch((error: Error) => error.message);
  };
  expect(await refusal(0)).toMatch(/has no runner r99; it has none/);
  expect(await refusal(2)).toMatch(/has no runner r99; it has r0, r1/);
  expect(await refusal(10)).toMatch(/r8, r9/);
  expect(await refusal(11)).toMatch(/it has 11 others/);
});

it('a node without runners has none to cordon, and no cordons', async () => {
  const of = (known: boolean) => cordonRoutes({ setCordoned: async () => known, fleet: async () => undefined })[0];
  const answer = (known: boolean) => answerOf(of(known), { params: { address: 'r1' } });
  await expect(answer(false)).rejects.toThrow('has no runner r1; it has none');
  expect(await answer(true)).toEqual({ cordons: [] });
});

it('PUT sets a cordon, DELETE lifts it, and both respond with all cordons', async () => {
  const done: unknown[] = [];
  const routes = cordonRoutes({
    setCordoned: async (...what) => {
      done.push(what);
      return true;
    },
    fleet: async () => FLEET,
  });
  expect(routes.map(({ method, path, access }) => [method, path, access])).toEqual([
    ['PUT', '/fleet/cordons/*address', 'operator'],
    ['DELETE', '/fleet/cordons/*address', 'operator'],
  ]);
  for (const route of routes) {
    expect(await answerOf(route, { params: { address: 'r1:9190' } })).toEqual({ cordons: ['r1:9190'] });
  }
  expect(done).toEqual([
    ['r1:9190', true],
    ['r1:9190', false],
  ]);
});

it('a runner on a unix socket has an address with slashes', async () => {
  const done: unknown[] = [];
  const setCordoned = async (...what: unknown[]) => done.push(what) > 0;
  const routes = cordonRoutes({ setCordoned, fleet: async () => FLEET });
  const server = createServer(createNodeApp({ routes, settings: {}, logger: silentLogger }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fleet/cordons/`;
  for (const address of ['unix:/run/r.sock', 'unix:///run/r.sock', '[::1]:9190', 'h1:9190']) {
    const url = base + encodeURIComponent(address);
    const { status } = await fetch(url, { method: 'PUT', headers: { connection: 'close' } });
    expect([status, done.pop()]).toEqual([200, [address, true]]);
  }
  await new Promise((resolve) => server.close(resolve));
});

it('operator routes of a balancer are for operators only', () => {
  const operations = { fleet: async () => undefined, explain: async () => undefined };
  expect([fleetRoute(operations, {}), explainRoute(operations)].map(({ access }) => access)).toEqual([
    'operator',
    'operator',
  ]);
});

it('GET /pulls: the current pulls of all runners; an Fn runner reports none', async () => {
  const [line] = FLEET.runners;
  const pulls = ['a:1', 'b:1'].map((image) => ({ image, receivedBytes: 1, totalBytes: 2 }));
  const introductions = [...pulls.map((pull) => ({ about: { pulls: [pull] } })), undefined];
  const asked: number[] = [];
  const fleet = async (askMs: number) => {
    asked.push(askMs);
    return { ...FLEET, runners: introductions.map((identity) => ({ ...line, identity })) } as never;
  };
  const told = { received_bytes: 1, total_bytes: 2 };
  expect(await answerOf(pullsRoute(() => pullsOfRunners({ fleet })))).toEqual({
    pulls: [
      { image: 'a:1', ...told },
      { image: 'b:1', ...told },
    ],
  });
  expect(asked).toEqual([1_000]);
  expect(await pullsOfRunners({ fleet: async () => undefined })).toEqual([]);
});
