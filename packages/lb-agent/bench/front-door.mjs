/**
 * The cost of the balancer itself: CPU time per call through its whole HTTP path, with a runner that answers at once, next to a bare
 * node:http server that does the same. Both run in this process, one after the other, with the same client; the difference is the
 * balancer's. From the package: `node bench/front-door.mjs [calls]`
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { CallTemplate } from '@fnfleet/core';
import { newLbServer } from '@fnfleet/lb-agent';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import { Pool } from 'undici';

const CALLS = Number(process.argv[2] ?? 50_000);
const CONCURRENCY = 32;
const BODY = Buffer.from('{"name":"bench"}');
const ANSWER = Buffer.from('{"message":"hello"}');

const empty = { config: {}, annotations: {}, shape: '', createdAt: undefined, updatedAt: undefined };
const template = new CallTemplate(
  { ...empty, id: 'app1', name: 'app', syslogUrl: '' },
  {
    ...empty,
    id: 'fn1',
    appId: 'app1',
    name: 'f',
    image: 'i',
    memoryMb: 128,
    timeoutSeconds: 30,
    idleTimeoutSeconds: 30,
  },
);

/** Reads the whole body and answers, without a network. @type {import('@fnfleet/placement').Runner} */
const runner = {
  address: 'bench',
  async tryCall(call) {
    const reader = call.body.open();
    while (!reader.read()?.last) {
      await new Promise((resolve) => {
        reader.onReadable = () => resolve(undefined);
      });
    }
    reader.close();
    call.response.writeHead(200, [['Content-Type', 'application/json']]);
    call.response.write(ANSWER);
    return { kind: 'finished', report: NOTHING_REPORTED };
  },
  status: () => Promise.reject(new Error('nobody asks')),
  close: async () => undefined,
};

const list = { runners: [runner] };
const balancer = newLbServer({
  settings: { runnerApiUrl: 'unused', executionHeadroomMs: 0, replayBufferBytes: 8_388_608, requestIdHeader: '' },
  host: '127.0.0.1',
  port: 0,
  pool: { runners: () => list, close: async () => undefined },
  placer: { order: (_call, { candidates }) => candidates },
  lookup: {
    byId: async () => template,
    byTrigger: async () => ({ template, triggerId: 't' }),
    close: async () => undefined,
  },
});
await balancer.ready;

const bare = createServer((req, res) => {
  req.on('data', () => undefined);
  req.on('end', () => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length });
    res.end(ANSWER);
  });
});
bare.listen(0, '127.0.0.1');
await once(bare, 'listening');
const bareAddress = bare.address();
if (bareAddress === null || typeof bareAddress === 'string') throw new Error('the server listens on no port');

/** @param {string} url */
async function measure(url) {
  const pool = new Pool(url, { connections: CONCURRENCY });
  let left = CALLS;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const { body } = await pool.request({ path: '/invoke/fn1', method: 'POST', body: BODY });
      await body.dump();
    }
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await pool.close();
  return { callsPerSecond: Math.round(CALLS / seconds), cpuMicros: (user + system) / CALLS };
}

const bareUrl = `http://127.0.0.1:${bareAddress.port}`;
for (const url of [bareUrl, balancer.address.url]) await measure(url); // warm-up
const base = await measure(bareUrl);
const full = await measure(balancer.address.url);
/** @param {string} name @param {Awaited<ReturnType<typeof measure>>} measured */
const line = (name, { callsPerSecond, cpuMicros }) =>
  `${name.padEnd(12)} ${callsPerSecond} calls/s  ${cpuMicros.toFixed(1)} µs CPU a call, client included\n`;
process.stdout.write(line('bare server', base) + line('balancer', full));
process.stdout.write(`difference   ${(full.cpuMicros - base.cpuMicros).toFixed(1)} µs CPU a call\n`);

await balancer.close();
bare.close();
