import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median, table } from './statistics.mjs';

const PEERS = fileURLToPath(new URL('./transport-peers.mjs', import.meta.url));
const TRANSPORTS = ['node:http2', 'own'];
const SHAPES = [
  { bytes: 2, clients: 1, calls: 5_000 },
  { bytes: 2, clients: 8, calls: 20_000 },
  { bytes: 2, clients: 64, calls: 30_000 },
  { bytes: 64 * 1024, clients: 8, calls: 4_000 },
  { bytes: 1024 * 1024, clients: 4, calls: 300 },
];

/**
 * The transport of Engage alone, between two processes, with nothing behind it: try and body one way; started, head, body, finished
 * and trailers the other. Beside it the same with node:http2. CPU is user and system time of either process.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureTransport({ rounds, undo }) {
  const rows = [];
  for (const shape of SHAPES) {
    for (const transport of TRANSPORTS) rows.push(await row(transport, shape, rounds, undo));
  }
  return table(
    ['body, bytes', 'at a time', 'transport', 'calls/s', 'balancer, µs CPU/call', 'runner, µs CPU/call'],
    rows,
  );
}

async function row(transport, { bytes, clients, calls }, rounds, undo) {
  const runner = start(undo, 'listen', transport, bytes);
  const [{ port }] = await once(runner, 'message');
  const balancer = start(undo, 'call', transport, bytes, port);
  await once(balancer, 'message');
  const results = [];
  for (let round = 0; round <= rounds; round += 1) {
    await ask(runner, {});
    const { cpuMicros, ms } = await ask(balancer, { calls, clients });
    const theirs = await ask(runner, {});
    // The first warms both up.
    if (round > 0) results.push([(calls * 1000) / ms, cpuMicros / calls, theirs.cpuMicros / calls]);
  }
  balancer.kill();
  runner.kill();
  const columns = [0, 1, 2].map((column) => median(results.map((result) => result[column])));
  return [bytes, clients, transport, Math.round(columns[0]), columns[1].toFixed(1), columns[2].toFixed(1)].map(String);
}

function start(undo, ...args) {
  const child = fork(PEERS, args.map(String));
  undo.push(() => child.kill());
  return child;
}

async function ask(child, question) {
  child.send(question);
  const [answer] = await once(child, 'message');
  return answer;
}
