import type { FleetStatus, RunnerStatusLine } from './fleet-status.js';

/** Merges the status of the processes of one balancer. Undefined if there is none. */
export function mergeFleetStatus(statuses: readonly FleetStatus[]): FleetStatus | undefined {
  const [first, ...others] = statuses;
  if (first === undefined || others.length === 0) return first;
  const lines = Map.groupBy(
    statuses.flatMap(({ runners }) => runners),
    ({ address }) => address,
  );
  return {
    waiting: sum(statuses, ({ waiting }) => waiting),
    inFlight: sum(statuses, ({ inFlight }) => inFlight),
    pool: statuses.find(({ pool }) => pool?.failing)?.pool ?? first.pool,
    cordons: distinct(statuses.flatMap(({ cordons }) => cordons)),
    troubles: distinct(statuses.flatMap(({ troubles }) => troubles)),
    runners: [...lines.values()].map(mergeLines),
  };
}

/** A process that has trouble with a runner takes precedence. */
function mergeLines(lines: readonly RunnerStatusLine[]): RunnerStatusLine {
  const shown = lines.find(({ state }) => state !== 'ok') ?? (lines[0] as RunnerStatusLine);
  const reporting = lines.find(({ load }) => load !== undefined);
  return {
    ...shown,
    cordoned: lines.some(({ cordoned }) => cordoned),
    inFlight: sum(lines, ({ inFlight }) => inFlight),
    weight: Math.min(...lines.map(({ weight }) => weight)),
    warmFunctions: Math.max(...lines.map(({ warmFunctions }) => warmFunctions)),
    load: shown.load ?? reporting?.load,
    identity: shown.identity ?? lines.find(({ identity }) => identity !== undefined)?.identity,
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
