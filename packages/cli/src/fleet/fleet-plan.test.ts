import { planFleet } from './fleet-plan.js';

it('gives every node its own ports, and the balancer the addresses of all runners', () => {
  const plan = planFleet({ runners: 3, port: 8080, grpc: { port: 9190 }, dataDir: '/data' });
  const nodes = [plan.api, plan.lb, ...plan.runners];
  const ports = nodes.flatMap(({ env }) => [env.FN_PORT, env.FN_GRPC_PORT].filter((port) => port !== undefined));
  expect(new Set(ports).size).toBe(ports.length);
  expect(plan.lb.env.FN_RUNNER_ADDRESSES?.split(',')).toEqual(
    plan.runners.map(({ env }) => `127.0.0.1:${env.FN_GRPC_PORT}`),
  );
  expect(plan.runnerAddresses).toEqual(plan.lb.env.FN_RUNNER_ADDRESSES?.split(','));
  expect(plan.lb.env.FN_RUNNER_API_URL).toBe(plan.apiUrl);
  expect(plan.api.env.FN_PUBLIC_LB_URL).toBe(plan.lbUrl);
  expect(nodes.every(({ env }) => env.FN_BIND_ADDRESS === '127.0.0.1')).toBe(true);
});

it('runners listen on unix sockets, each on its own, and the balancer has their addresses', () => {
  const plan = planFleet({ runners: 2, port: 8080, grpc: { socketsDir: '/data/run' }, dataDir: '/data' });
  expect(plan.runnerAddresses).toEqual(['unix:/data/run/runner1', 'unix:/data/run/runner2']);
  expect(plan.runners.map(({ env }) => env.FN_GRPC_SOCKET)).toEqual(plan.runnerAddresses);
  expect(plan.lb.env.FN_RUNNER_ADDRESSES?.split(',')).toEqual(plan.runnerAddresses);
});

it.each`
  what                        | socketsDir
  ${'is too long'}            | ${`/${'a'.repeat(100)}`}
  ${'has a comma or a blank'} | ${'/my data,new'}
`('runners listen on TCP ports where the path of a socket $what', ({ socketsDir }) => {
  const plan = planFleet({ runners: 2, port: 8080, grpc: { socketsDir }, dataDir: '/data' });
  expect(plan.runnerAddresses).toEqual(['127.0.0.1:9190', '127.0.0.1:9191']);
  // An empty setting counts as none, whatever the environment has.
  expect(plan.runners.map(({ env }) => [env.FN_GRPC_PORT, env.FN_GRPC_SOCKET])).toEqual([
    ['9190', ''],
    ['9191', ''],
  ]);
});
