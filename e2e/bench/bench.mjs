/**
 * Measures what the whole path costs, always against something in the same run, because machines are noisy:
 *
 *   throughput  calls per second and their CPU through balancer, gRPC, runner and hot container, against a one-hop Node proxy
 *   tls         the same with mutual TLS everywhere, against plain text
 *   network     the same between hosts (network namespaces), against loopback; needs root
 *   sockets     balancer and runner over a unix socket, against TCP on loopback
 *   silence     a call after 150 ms without one, against the same proxy
 *   first       the first seconds after the start, against a warm fleet
 *   bodies      echoes of 64 KiB to 4 MiB, against the same proxy
 *   memory      resident memory of each role: idle, after load, after large bodies; and how long `fnfleet --version` takes
 *   syscalls    system calls for each call, of balancer and runner
 *   per-call    bytes on the heap, promises and timers for each call, of balancer and runner
 *   sleeping    64 clients of a function that sleeps 50 ms, against what 64 sleepers could do
 *   frozen      a call to a frozen container, against one to a container that is not
 *   cold-start  the first call of a function, against what the engine takes for its container
 *   telemetry   the whole path with traces and metrics going to a collector, against none
 *   placement   choosing a runner among 10, 1 000 and 10 000, with each placer
 *   transport   Engage alone between two processes, against the same with node:http2
 *   async-accept  asynchronous calls that are accepted a second, each synced to disk, against sync calls
 *   async-start   the time from accepted to started, and to ended, of single asynchronous calls
 *   async-drain   how fast a backlog runs, against sync calls
 *   async-beside  sync calls while a backlog of 100 000 runs, against sync calls alone; with BENCH_ROWS, only rows whose names have that in them
 *   async-memory  memory, latencies and rates of API node and balancer while 1 000, 100 000 and BENCH_BACKLOG calls wait
 *   async-million a million asynchronous calls, or BENCH_CALLS, from their clients to their ends; only if it is named
 *
 *   npm run bench [-- --only throughput,frozen --seconds 5 --rounds 3 --against <commit>]
 *
 * With --against, parts that show a column `code` measure that commit too, in turns with this one.
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import {
  measureAsyncAccept,
  measureAsyncDrain,
  measureAsyncMemory,
  measureAsyncMillion,
  measureAsyncStart,
} from './async.mjs';
import { measureAsyncBeside } from './async-beside.mjs';
import { measureBodies } from './bodies.mjs';
import { withCleanUp } from './clean-up.mjs';
import { measureColdStart } from './cold-start.mjs';
import { measureFirstSeconds } from './first-seconds.mjs';
import { measureFrozen } from './frozen.mjs';
import { measureMemory } from './memory.mjs';
import { measureNetwork } from './network.mjs';
import { measurePerCall } from './per-call.mjs';
import { measurePlacement } from './placement.mjs';
import { measureSilence } from './silence.mjs';
import { measureSleeping } from './sleeping.mjs';
import { measureSockets } from './sockets.mjs';
import { measureSystemCalls } from './system-calls.mjs';
import { measureTelemetry } from './telemetry.mjs';
import { measureThroughput } from './throughput.mjs';
import { measureTls } from './tls.mjs';
import { measureTransport } from './transport.mjs';
import { treesWith } from './trees.mjs';
import { ensureStrace, ensureWrk } from './wrk.mjs';

/** @type {Map<string, (options: import('./trees.mjs').BenchOptions) => Promise<string>>} */
const PARTS = new Map(
  Object.entries({
    throughput: measureThroughput,
    tls: measureTls,
    network: measureNetwork,
    sockets: measureSockets,
    silence: measureSilence,
    first: measureFirstSeconds,
    bodies: measureBodies,
    memory: measureMemory,
    syscalls: measureSystemCalls,
    'per-call': measurePerCall,
    sleeping: measureSleeping,
    frozen: measureFrozen,
    'cold-start': measureColdStart,
    telemetry: measureTelemetry,
    placement: measurePlacement,
    transport: measureTransport,
    'async-accept': measureAsyncAccept,
    'async-start': measureAsyncStart,
    'async-drain': measureAsyncDrain,
    'async-beside': measureAsyncBeside,
    'async-memory': measureAsyncMemory,
    'async-million': measureAsyncMillion,
  }),
);
const KNOWN = [...PARTS.keys()].join(',');
/** Parts that take minutes are measured if they are named. */
const USUAL = [...PARTS.keys()].filter((name) => name !== 'async-million').join(',');

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    against: { type: 'string' },
    only: { type: 'string', default: USUAL },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run bench -- [--only ${KNOWN}] [--seconds 5] [--rounds 3] [--against <commit>]`);
  process.exit();
}
const names = values.only.split(',');
const parts = names.map((name) => {
  const measure = PARTS.get(name);
  if (measure === undefined) throw new Error(`--only: expected some of ${KNOWN}, got ${name}`);
  return { name, measure };
});

await ensureWrk();
if (names.includes('syscalls')) await ensureStrace();
const trees = await treesWith(values.against);
const tables = [];
for (const { name, measure } of parts) {
  console.error(`• ${name}`);
  const options = { seconds: Number(values.seconds), rounds: Number(values.rounds), trees };
  tables.push(await withCleanUp((undo) => measure({ ...options, undo })));
}
console.log(`\n${os.cpus().length} × ${os.cpus()[0]?.model ?? 'CPU'}, Node ${process.versions.node}.`);
for (const table of tables) console.log(`\n${table}`);
