import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median, table } from './statistics.mjs';

/** @typedef {import('./clean-up.mjs').CleanUp} CleanUp */

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
 * The transport of Engage alone, between two processes, without agent or balancer: TryCall and body one way; started, head, body,
 * finished and trailers the other. The same with node:http2 for comparison. CPU is user and system time of each process.
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

/**
 * @param {string} transport
 * @param {typeof SHAPES[number]} shape
 * @param {number} rounds
 * @param {CleanUp} undo
 */
async function row(transport, { bytes, clients, calls }, rounds, undo) {
  const runner = start(undo, 'listen', transport, bytes);
  const [{ port }] = await once(runner, 'message');
  const balancer = start(undo, 'call', transport, bytes, port);
  await once(balancer, 'message');
  /** @type {{ rate: number, balancer: number, runner: number }[]} */
  const results = [];
  for (let round = 0; round <= rounds; round += 1) {
    await ask(runner, {});
    const { cpuMicros, ms } = await ask(balancer, { calls, clients });
    const theirs = await ask(runner, {});
    // The first round is a warm-up.
    if (round === 0) continue;
    results.push({ rate: (calls * 1000) / ms, balancer: cpuMicros / calls, runner: theirs.cpuMicros / calls });
  }
  balancer.kill();
  runner.kill();
  const rate = median(results.map((result) => result.rate));
  const cpu = [median(results.map((result) => result.balancer)), median(results.map((result) => result.runner))];
  return [bytes, clients, transport, Math.round(rate), ...cpu.map((micros) => micros.toFixed(1))];
}

/**
 * Forks `transport-peers.mjs`.
 * @param {CleanUp} undo
 * @param {(string | number)[]} args
 */
function start(undo, ...args) {
  const child = fork(PEERS, args.map(String));
  undo.push(() => child.kill());
  return child;
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {{ calls?: number, clients?: number }} question
 */
async function ask(child, question) {
  child.send(question);
  const [answer] = await once(child, 'message');
  return answer;
}
