import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startFleet } from './fleet.mjs';
import { sleep } from './one-call.mjs';
import { residentMib } from './processes.mjs';
import { median, table } from './statistics.mjs';
import { load } from './wrk.mjs';

const run = promisify(execFile);
const LOAD_SECONDS = 60;
/** V8 gives back what a load has left behind when a process has been idle for a while. */
const REST_SECONDS = 15;
const LARGE_BYTES = 6_000_000;
const LARGE_CALLS = 200;
const STARTS = 10;

/**
 * The resident memory of each role: idle, after a minute of load, after large bodies; and how long `fnfleet --version` takes.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureMemory({ undo, trees }) {
  const rows = [];
  for (const tree of trees) {
    const fleet = await startFleet({ undo, tree });
    await sleep(5_000);
    const resident = () => [fleet.apiPid, fleet.lbPid, fleet.runnerPid].map((pid) => Math.round(residentMib(pid)));
    rows.push([tree.name, 'idle', ...resident()]);
    await load(await fleet.deploy('micro'), { clients: 64, seconds: LOAD_SECONDS });
    rows.push([tree.name, `after ${LOAD_SECONDS} s at 64 clients`, ...resident()]);
    await sleep(REST_SECONDS * 1_000);
    rows.push([tree.name, `${REST_SECONDS} s later`, ...resident()]);
    const echo = await fleet.deploy('echo', { MICRO_ECHO: '1' }, 128);
    const body = Buffer.alloc(LARGE_BYTES, 'x');
    for (let call = 0; call < LARGE_CALLS; call += 1) {
      const answer = await fetch(echo, { method: 'POST', body });
      await answer.arrayBuffer();
    }
    rows.push([tree.name, `after ${LARGE_CALLS} echoes of 6 MB`, ...resident()]);
  }
  const versions = [];
  for (const tree of trees) {
    const took = [];
    for (let start = 0; start < STARTS; start += 1) {
      const from = performance.now();
      await run(tree.command, ['--version']);
      took.push(performance.now() - from);
    }
    versions.push([tree.name, Math.round(median(took))]);
  }
  return [
    table(['code', 'when', 'API node MiB', 'balancer MiB', 'runner MiB'], rows),
    table(['code', 'fnfleet --version, ms'], versions),
  ].join('\n\n');
}
