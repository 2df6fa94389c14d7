import type { AskedBalancer, HeardBalancer } from './balancers.js';
import { isHeard } from './balancers.js';
import type { RunnerLine } from './fleet-answer.js';
import { shownBytes, shownSkew } from './quantities.js';
import { textTable } from './text-table.js';

const HEAD = [
  'RUNNER',
  'NAME',
  'STATE',
  'IN HAND',
  'WAITING',
  'MEMORY FREE',
  'CPU FREE',
  'HOT',
  'VERSION',
  'CLOCK',
  'WHY',
];
/** Columns of numbers. */
const NUMBERS: ReadonlySet<number> = new Set([3, 4, 5, 6, 9]);
/** Told by runners of fnfleet only. */
const UNKNOWN = '?';

/** What balancers see of their runners, for people. */
export function formatStatus(balancers: readonly AskedBalancer[], attention: readonly string[]): string[] {
  const parts = balancers.flatMap((balancer) => (isHeard(balancer) ? [...formatBalancer(balancer), ''] : []));
  return [...parts, ...attention.map((what) => `! ${what}`), ...(attention.length > 0 ? [] : ['all is well'])];
}

function formatBalancer({ url, fleet }: HeardBalancer): string[] {
  const { version = UNKNOWN, waiting, in_flight: inFlight, api, pool, cordons = [], runners } = fleet;
  const facts = [`version ${version}`];
  if (waiting !== undefined) facts.push(`${waiting} waiting`, `${inFlight} in hand`);
  if (pool !== undefined) facts.push(`${runners.length} runners of ${pool.source}`);
  if (api !== undefined) facts.push(`functions of ${api.url}`);
  const away = cordons.filter((address) => !runners.some((runner) => runner.address === address));
  const lines = [`balancer ${url}   ${facts.join(', ')}`];
  if (runners.length > 0) lines.push(...textTable([HEAD, ...runners.map(rowOf)], NUMBERS));
  if (away.length > 0) lines.push(`cordoned, and not in the pool now: ${away.join(', ')}`);
  if (pool?.leaving?.length) lines.push(`left the pool, and finish what they have: ${pool.leaving.join(', ')}`);
  return lines;
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

/** Idle containers make room. */
function memoryFree(load: NonNullable<RunnerLine['load']>): string {
  const { memory_total_bytes: total, memory_used_bytes: used, memory_idle_bytes: idle = 0 } = load;
  return `${shownBytes(total - used + idle)} of ${shownBytes(total)}`;
}

function hot({ hot_functions: functions, hot_containers: containers, warm_functions: warm, load }: RunnerLine): string {
  if (functions === undefined) return load === undefined && warm === 0 ? UNKNOWN : `${warm} functions`;
  return `${containers} in ${functions} functions`;
}
