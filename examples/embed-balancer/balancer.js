// A custom balancer: apps marked "gold" have their own runners, and each call carries its sender's tenant to the runner.
// Start it with: GOLD_RUNNERS=… RUNNERS=… FN_RUNNER_API_URL=… node balancer.js
const { newLbServer } = require('@fnfleet/lb-agent');
const { newGrpcRunner } = require('@fnfleet/placement');

function newTieredPool(goldAddresses, otherAddresses) {
  const gold = goldAddresses.map((address) => newGrpcRunner(address));
  const others = otherAddresses.map((address) => newGrpcRunner(address));
  return {
    runners: ({ model }) => ({ runners: model.annotations['example.com/tier'] === 'gold' ? gold : others }),
    close: async () => void (await Promise.all([...gold, ...others].map((runner) => runner.close()))),
  };
}

function newBalancer({ apiUrl, port, goldAddresses, otherAddresses }) {
  return newLbServer({
    host: '127.0.0.1',
    port,
    settings: { runnerApiUrl: apiUrl },
    pool: newTieredPool(goldAddresses, otherAddresses),
    callOverrider: (request, model, extensions) => {
      model.cpuMillis = 0; // this fleet does not limit CPU
      return { ...extensions, tenant: request.headers['x-tenant'] ?? 'unknown' };
    },
  });
}

module.exports = { newBalancer };

if (require.main === module) {
  const { FN_RUNNER_API_URL: apiUrl, GOLD_RUNNERS = '', RUNNERS = '' } = process.env;
  const [goldAddresses, otherAddresses] = [GOLD_RUNNERS.split(','), RUNNERS.split(',')];
  const balancer = newBalancer({ apiUrl, port: 8081, goldAddresses, otherAddresses });
  balancer.ready.then(() => console.log(`calls go to ${balancer.address.url}/invoke/<function id>`));
  process.once('SIGTERM', () => balancer.drain({ graceMs: 30_000 }));
}
