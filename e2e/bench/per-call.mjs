import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startFleet } from './fleet.mjs';
import { sleep } from './one-call.mjs';
import { table } from './statistics.mjs';
import { load } from './wrk.mjs';

/** @typedef {import('./probe.mjs').Heap} Heap */
/** @typedef {import('./probe.mjs').Objects} Objects */
/** @typedef {import('node:inspector').HeapProfiler.SamplingHeapProfile} Profile */
/** @typedef {'balancer' | 'runner'} Role */

const CLIENTS = [1, 8];
/** V8 compiles a function for the last time after thousands of calls; before that, calls allocate more. */
const WARM_UP_CALLS = 60_000;
const MAX_WARM_UPS = 12;
const PROBE = fileURLToPath(new URL('probe.mjs', import.meta.url));

/**
 * Bytes, promises and timers for each call, of balancer and runner. What both do without calls in the same time is subtracted. With
 * BENCH_HEAP_PROFILES=<folder>, also writes there which functions allocate the bytes, for Chrome's DevTools.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measurePerCall({ seconds, undo, trees }) {
  const profiles = process.env.BENCH_HEAP_PROFILES;
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-probe-'));
  undo.push(() => rmSync(folder, { recursive: true }));
  const rows = [];
  for (const tree of trees) {
    const settings = { PROBE_FOLDER: folder, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${PROBE}` };
    const fleet = await startFleet({ undo, tree, settings });
    const url = await fleet.deploy('micro');
    const probes = { balancer: new Probe(folder, fleet.lbPid, undo), runner: new Probe(folder, fleet.runnerPid, undo) };
    await warmUp(url);
    const idle = await measure(probes, async () => {
      await sleep(seconds * 1_000);
      return 1;
    });
    for (const clients of CLIENTS) {
      const run = async () => (await load(url, { clients, seconds })).calls;
      const counted = await measure(probes, run);
      for (const role of /** @type {const} */ (['balancer', 'runner'])) {
        const [{ heap, objects }, without] = [counted[role], idle[role]];
        const bytes = (heap.allocated - without.heap.allocated) / heap.calls;
        const kinds = /** @type {const} */ (['promises', 'timers', 'immediates', 'ticks']);
        const each = kinds.map((kind) => ((objects[kind] - without.objects[kind]) / objects.calls).toFixed(2));
        rows.push([tree.name, clients, role, Math.round(bytes), ...each]);
      }
      if (profiles !== undefined) await writeProfiles(probes, run, path.join(profiles, `${tree.name}-${clients}`));
    }
  }
  return table(['code', 'clients', 'role', 'bytes', 'promises', 'timers', 'immediates', 'ticks'], rows);
}

/** @param {string} url */
async function warmUp(url) {
  let calls = 0;
  for (let n = 0; n < MAX_WARM_UPS && calls < WARM_UP_CALLS; n += 1) {
    calls += (await load(url, { clients: 32, seconds: 5 })).calls;
  }
}

/**
 * The bytes and the objects of each role while something runs, one after the other: counting objects costs bytes.
 * @param {Record<Role, Probe>} probes
 * @param {() => Promise<number>} run resolves with the number of calls
 */
async function measure({ balancer, runner }, run) {
  /** @param {'heap' | 'objects'} request */
  const during = async (request) => {
    await Promise.all([balancer.begin(request), runner.begin(request)]);
    const calls = await run();
    return { calls, counted: await Promise.all([balancer.end(request), runner.end(request)]) };
  };
  const [heap, objects] = [await during('heap'), await during('objects')];
  /** @param {0 | 1} at */
  const role = (at) => ({
    heap: { .../** @type {Heap} */ (heap.counted[at]), calls: heap.calls },
    objects: { .../** @type {Objects} */ (objects.counted[at]), calls: objects.calls },
  });
  return { balancer: role(0), runner: role(1) };
}

/**
 * Writes which functions of each role allocate while something runs.
 * @param {Record<Role, Probe>} probes
 * @param {() => Promise<number>} run resolves with the number of calls
 * @param {string} prefix of the files
 */
async function writeProfiles(probes, run, prefix) {
  mkdirSync(path.dirname(prefix), { recursive: true });
  for (const [role, probe] of Object.entries(probes)) {
    await probe.begin('sample');
    const calls = await run();
    const profile = /** @type {Profile} */ (await probe.end('sample'));
    const bytes = Math.round(bytesOf(profile.head) / calls);
    console.error(`  ${prefix}-${role}.heapprofile: ${bytes} bytes for each of ${calls} calls`);
    writeFileSync(`${prefix}-${role}.heapprofile`, JSON.stringify(profile));
  }
}

/** @param {Profile['head']} node @returns {number} of the function and those that it calls */
function bytesOf({ selfSize, children }) {
  return children.reduce((sum, child) => sum + bytesOf(child), selfSize);
}

/** The probe in a node. */
class Probe {
  /**
   * @param {string} folder
   * @param {number} pid
   * @param {import('./clean-up.mjs').CleanUp} undo
   */
  constructor(folder, pid, undo) {
    this.socket = createConnection(path.join(folder, `${pid}.sock`));
    this.lines = createInterface({ input: this.socket })[Symbol.asyncIterator]();
    undo.push(() => this.socket.destroy());
  }

  /** @param {string} request */
  async begin(request) {
    this.socket.write(`${request}\n`);
    const { value = '' } = await this.lines.next();
    return JSON.parse(value);
  }

  /** A probe ends what it has begun when it gets the same request again. @param {string} request @returns {Promise<unknown>} */
  end(request) {
    return this.begin(request);
  }
}
