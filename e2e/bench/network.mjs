import { HostFleet } from '../dist/harness/host-fleet.js';
import { IMAGE, startFleet } from './fleet.mjs';
import { median, table } from './statistics.mjs';
import { HERE } from './trees.mjs';
import { load } from './wrk.mjs';

const CLIENTS = [1, 8, 64];
const WARM_UP_SECONDS = 15;
const MEMORY_MB = 16;

/**
 * Nodes on hosts of their own, in network namespaces with cables between them, against the same on loopback. Over a network a
 * runner waits until its balancer has said that it knows a call has started (`confirmed`).
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureNetwork({ seconds, rounds, undo }) {
  const near = await (await startFleet({ undo, tree: HERE, ports: true })).deploy('micro');
  const hosts = await HostFleet.start({ runners: 1 });
  undo.push(() => hosts.stop());
  const far = await hosts.deployed({ name: 'micro', image: IMAGE, memory: MEMORY_MB });
  for (const url of [near, far]) await load(url, { clients: 32, seconds: WARM_UP_SECONDS });
  const rows = [];
  for (const clients of CLIENTS) {
    /** @type {Record<'near' | 'far', number[]>} */
    const rates = { near: [], far: [] };
    for (let round = 0; round < rounds; round += 1) {
      rates.near.push((await load(near, { clients, seconds })).rate);
      rates.far.push((await load(far, { clients, seconds })).rate);
    }
    const [loopback, network] = [median(rates.near), median(rates.far)];
    rows.push([clients, Math.round(loopback), Math.round(network), (network / loopback).toFixed(2)]);
  }
  return table(['clients', 'loopback, calls/s', 'between hosts, calls/s', 'ratio'], rows);
}
