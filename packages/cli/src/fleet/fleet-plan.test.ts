import { planFleet } from './fleet-plan.js';

it('gives every node its own ports, and the balancer the addresses of all runners', () => {
  const plan = planFleet({ runners: 3, port: 8080, grpcPort: 9190, dataDir: '/data' });
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
