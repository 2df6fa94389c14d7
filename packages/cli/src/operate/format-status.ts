import { printableLine } from '@fnfleet/core';
import type { RunnerLine } from '@fnfleet/operator-api';
import { shownBytes, shownSkew, textTable } from '../terminal/output.js';
import { type AskedBalancer, type HeardBalancer, isHeard } from './balancers.js';

const HEAD = [
  'RUNNER',
  'NAME',
  'STATE',
  'IN FLIGHT',
  'WAITING',
  'MEMORY FREE',
  'CPU FREE',
  'HOT',
  'VERSION',
  'CLOCK',
  'WHY',
];
/** Indexes of the columns with numbers. */
const NUMBERS: ReadonlySet<number> = new Set([3, 4, 5, 6, 9]);
/** Maximum length of a line, in characters: balancers and runners may report texts of any length. */
const MAX_LINE = 1_000;
/** Maximum number of lines that ask for attention. */
const MAX_ATTENTION = 100;
/** Shown for what only runners of fnfleet report. */
const UNKNOWN = '?';

/** Human-readable status of the runners as the balancers see them. */
export function formatStatus(balancers: readonly AskedBalancer[], attention: readonly string[]): string[] {
  const parts = balancers.flatMap((balancer) => (isHeard(balancer) ? [...formatBalancer(balancer), ''] : []));
  if (attention.length === 0) return [...parts, 'all is well'];
  const more = attention.length - MAX_ATTENTION;
  const lines = attention.slice(0, MAX_ATTENTION).map((what) => printableLine(`! ${what}`, MAX_LINE));
  return [...parts, ...lines, ...(more > 0 ? [`! … and ${more} more`] : [])];
}

function formatBalancer({ url, fleet }: HeardBalancer): string[] {
  const { version = UNKNOWN, waiting, in_flight: inFlight, pool, cordons = [], runners } = fleet;
  const facts = [`version ${version}`];
  if (waiting !== undefined) facts.push(`${waiting} waiting`, `${inFlight} in flight`);
  if (pool !== undefined) facts.push(`${runners.length} runners from ${pool.source}`);
  const from = functionsFrom(fleet);
  if (from !== undefined) facts.push(`functions from ${from}`);
  const away = cordons.filter((address) => !runners.some((runner) => runner.address === address));
  const table = runners.length > 0 ? textTable([HEAD, ...runners.map(rowOf)], NUMBERS) : [];
  const below: string[] = [];
  if (away.length > 0) below.push(`cordoned, but not in the pool now: ${away.join(', ')}`);
  if (pool?.leaving?.length) below.push(`left the pool and finishing calls in flight: ${pool.leaving.join(', ')}`);
  const cut = (line: string) => printableLine(line, MAX_LINE);
  return [cut(`balancer ${url}   ${facts.join(', ')}`), ...table, ...below.map(cut)];
}

/** The API nodes, the one in use first. */
function functionsFrom({ api, api_nodes: nodes = [] }: HeardBalancer['fleet']): string | undefined {
  if (nodes.length < 2) return api?.url;
  const current = nodes.find((node) => node.in_use) ?? nodes[0];
  const others = nodes.filter((node) => node !== current).map(({ url }) => url);
  return `${current?.url} (or ${others.join(', ')})`;
}

function rowOf(runner: RunnerLine): string[] {
  const { address, name = UNKNOWN, state, reason = '', load, version = UNKNOWN, clock_skew_ms: skew } = runner;
  return [
    address,
    name,
    load?.degraded && state === 'ok' ? 'degraded' : state,
    `${runner.in_flight}`,
    load === undefined ? UNKNOWN : `${load.waiting}`,
    load === undefined ? UNKNOWN : memoryFree(load),
    load === undefined ? UNKNOWN : `${((load.cpu_total_millis - load.cpu_used_millis) / 1000).toFixed(1)}`,
    hot(runner),
    version,
    skew === undefined ? UNKNOWN : shownSkew(skew),
    reason,
  ];
}

/** Counts idle containers as free, because they are evicted when memory is needed. */
function memoryFree(load: NonNullable<RunnerLine['load']>): string {
  const { memory_total_bytes: total, memory_used_bytes: used, memory_idle_bytes: idle = 0 } = load;
  return `${shownBytes(total - used + idle)} of ${shownBytes(total)}`;
}

function hot({ hot_functions: functions, hot_containers: containers, warm_functions: warm, load }: RunnerLine): string {
  if (functions === undefined) return load === undefined && warm === 0 ? UNKNOWN : `${warm} functions`;
  return `${containers} in ${functions} functions`;
}
