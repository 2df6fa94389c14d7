/**
 * Calls per second and latency, side by side in one run: the function's socket behind a one-hop Node proxy (the floor),
 * and the whole path as a user runs it: HTTP, balancer, gRPC, runner, hot Docker container, and back.
 *
 *   npm run bench [-- --seconds 5 --rounds 3]
 *
 * The two take turns, so that noise of the machine meets both; the ratio of their medians is what counts.
 */
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureWrk, load } from './wrk.mjs';

const require = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));
const { LocalFleet } = require('../../packages/cli/dist/fleet/local-fleet.js');
const { ApiClient } = require('../../packages/cli/dist/api-client.js');
const { deployFunction, invokeUrl } = require('../../packages/cli/dist/deploy-function.js');
const { startDriver, driverSettings } = require('../../packages/cli/dist/roles/drivers.js');
const { readSettings, silentLogger } = require('../../packages/core/dist/index.js');

const IMAGE = 'fnfleet/micro:latest';
const CLIENTS = [1, 8, 64];
const WARM_UP_SECONDS = 20;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, rounds: { type: 'string', default: '3' } },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);

await ensureWrk();
const undo = [];
try {
  const floorUrl = await startFloor();
  const pathUrl = await startFleet();
  console.error(`• warming up: ${WARM_UP_SECONDS} s each, until the code of every process is compiled`);
  await load(floorUrl, { clients: 32, seconds: WARM_UP_SECONDS });
  await load(pathUrl, { clients: 32, seconds: WARM_UP_SECONDS });
  console.error(`• ${rounds} rounds of ${seconds} s at ${CLIENTS.join(', ')} clients`);
  const rows = [];
  for (const clients of CLIENTS) rows.push(await compare(clients, floorUrl, pathUrl));
  print(rows);
} finally {
  for (const step of undo.reverse()) await step();
}

async function compare(clients, floorUrl, pathUrl) {
  await load(pathUrl, { clients, seconds: 2 });
  await load(floorUrl, { clients, seconds: 2 });
  const floor = [];
  const whole = [];
  for (let round = 0; round < rounds; round += 1) {
    floor.push(await load(floorUrl, { clients, seconds }));
    whole.push(await load(pathUrl, { clients, seconds }));
  }
  return { clients, floor: median(floor), whole: median(whole) };
}

function median(results) {
  const middle = results.toSorted((a, b) => a.rate - b.rate)[Math.floor(results.length / 2)];
  return { ...middle, failed: results.reduce((sum, { failed }) => sum + failed, 0) };
}

function print(rows) {
  const ms = (value) => value.toFixed(2);
  console.log(`
Function: ${IMAGE} (static C, answers at once). ${os.cpus().length} × ${os.cpus()[0]?.model ?? 'CPU'}, Node ${process.versions.node}.

| clients | floor calls/s | p50 ms | p99 ms | whole path calls/s | p50 ms | p99 ms | failed | ratio |
|---|---|---|---|---|---|---|---|---|`);
  for (const { clients, floor, whole } of rows) {
    const cells = [
      clients,
      Math.round(floor.rate),
      ms(floor.p50),
      ms(floor.p99),
      Math.round(whole.rate),
      ms(whole.p50),
      ms(whole.p99),
      floor.failed + whole.failed,
      (whole.rate / floor.rate).toFixed(2),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

async function startFloor() {
  const driver = startDriver(readSettings(driverSettings, process.env), { logger: silentLogger, env: process.env });
  undo.push(() => driver.close());
  await driver.ready;
  const signal = AbortSignal.timeout(60_000);
  const spec = {
    id: `bench-floor-${process.pid}`,
    image: IMAGE,
    memoryMb: 128,
    tmpfsMb: 0,
    cpuMillis: 0,
    appId: 'bench',
    fnId: 'floor',
    syslogUrl: '',
    networkDisabled: false,
    extensions: {},
    env: { FN_FORMAT: 'http-stream', FN_LISTENER: 'unix:/tmp/iofs/lsnr.sock' },
  };
  await driver.prepareImage(spec, signal);
  const container = await driver.create(spec, signal);
  undo.push(() => container.close());
  await container.start(signal);
  await container.listening(signal);
  const proxy = fork(path.join(here, 'floor-proxy.mjs'), [container.socketPath]);
  undo.push(() => proxy.kill());
  const { port } = await new Promise((resolve) => proxy.once('message', resolve));
  return `http://127.0.0.1:${port}/`;
}

async function startFleet() {
  const fleet = new LocalFleet({ runners: 1, port: 18_080, grpcPort: 19_190, print: () => undefined });
  undo.push(() => fleet.stop());
  await fleet.start();
  const spec = { name: 'micro', image: IMAGE, memory: 16 };
  const fn = await deployFunction(new ApiClient(fleet.plan.apiUrl), 'bench', spec);
  return invokeUrl(fn);
}
