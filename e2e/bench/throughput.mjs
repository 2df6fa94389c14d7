import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { IMAGE, startFleet } from './fleet.mjs';
import { ms, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const require = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));
const { startDriver, driverSettings } = require('../../packages/cli/dist/roles/drivers.js');
const { readSettings, silentLogger } = require('../../packages/core/dist/index.js');

const CLIENTS = [1, 8, 64];
const WARM_UP_SECONDS = 20;

/** Floor and whole path take turns; the ratio of their medians is what counts. */
export async function measureThroughput({ seconds, rounds, undo }) {
  const floorUrl = await startFloor(undo);
  const pathUrl = await (await startFleet({ undo })).deploy('micro');
  console.error(`  warming up: ${WARM_UP_SECONDS} s each, until the code of every process is compiled`);
  await load(floorUrl, { clients: 32, seconds: WARM_UP_SECONDS });
  await load(pathUrl, { clients: 32, seconds: WARM_UP_SECONDS });
  const rows = [];
  for (const clients of CLIENTS) rows.push(row(await compare({ clients, seconds, rounds, floorUrl, pathUrl })));
  return table(
    ['clients', 'floor calls/s', 'p50 ms', 'p99 ms', 'whole path calls/s', 'p50 ms', 'p99 ms', 'failed', 'ratio'],
    rows,
  );
}

async function compare({ clients, seconds, rounds, floorUrl, pathUrl }) {
  await load(pathUrl, { clients, seconds: 2 });
  await load(floorUrl, { clients, seconds: 2 });
  const floor = [];
  const whole = [];
  for (let round = 0; round < rounds; round += 1) {
    floor.push(await load(floorUrl, { clients, seconds }));
    whole.push(await load(pathUrl, { clients, seconds }));
  }
  return { clients, floor: middle(floor), whole: middle(whole) };
}

function middle(results) {
  const result = results.toSorted((a, b) => a.rate - b.rate)[Math.floor(results.length / 2)];
  return { ...result, failed: results.reduce((sum, { failed }) => sum + failed, 0) };
}

function row({ clients, floor, whole }) {
  return [
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
}

async function startFloor(undo) {
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
