import type { Reading } from '@fnfleet/core';
import type { PoolStatus } from '@fnfleet/discovery';
import type { LoadReport } from '@fnfleet/protocol';
import type { RunnerIdentity } from '../fleet/runner-identity.js';
import type { RunnerCondition, RunnerState } from '../fleet/runner-state.js';

/** What a balancer knows about its fleet, for operators. */
export interface FleetStatus {
  /** Calls waiting for a runner. */
  readonly waiting: number;
  /** Calls in flight on runners. */
  readonly inFlight: number;
  /** Undefined for a pool without a status. */
  readonly pool: PoolStatus | undefined;
  /** Addresses that an operator has cordoned on this balancer, in the pool or not. */
  readonly cordons: readonly string[];
  /** Problems with the setup of the fleet, in words. */
  readonly troubles: readonly string[];
  readonly runners: readonly RunnerStatusLine[];
}

export interface RunnerStatusLine {
  readonly address: string;
  readonly state: RunnerCondition;
  /** Why it is not `ok`, or is limited. */
  readonly reason: string | undefined;
  readonly cordoned: boolean;
  readonly inFlight: number;
  /** Less than 1 during slow start. */
  readonly weight: number;
  /** Functions that are estimated to have a free hot container on it. */
  readonly warmFunctions: number;
  /** The last load report; undefined for a runner that sends none. */
  readonly load: LoadReport | undefined;
  /** What it last said about itself in a status; undefined for a runner of Fn. */
  readonly identity: RunnerIdentity | undefined;
}

export function statusLine(state: RunnerState): RunnerStatusLine {
  const { address, condition, isCordoned: cordoned, inFlight, weight, warmFunctions, load, identity } = state;
  return {
    address,
    state: condition,
    reason: reasonOf(state),
    cordoned,
    inFlight,
    weight,
    warmFunctions,
    load,
    identity,
  };
}

function reasonOf({ condition, trouble, load }: RunnerState): string | undefined {
  switch (condition) {
    case 'unreachable':
      return trouble;
    case 'silent':
      return 'a keepalive PING is still unanswered';
    case 'ejected':
      return `calls fail on it: ${trouble}`;
    case 'draining':
      return 'takes no new calls';
    case 'cordoned':
      return 'cordoned on this balancer by an operator';
    case 'gone':
      return 'closed';
    case 'ok':
      return load?.degraded ? load.degradedReason || 'cannot create containers' : undefined;
  }
}

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

/** A degraded runner, which takes only calls for hot containers, has a state of its own. */
type CountedState = RunnerCondition | 'degraded';

const STATES: Readonly<Record<CountedState, true>> = {
  ok: true,
  degraded: true,
  draining: true,
  cordoned: true,
  ejected: true,
  silent: true,
  unreachable: true,
  gone: true,
};

/** The number of runners in each state, as a metric: every state is always exported, so that one without runners goes to 0. */
export function runnersByState(runners: Iterable<Pick<RunnerState, 'condition' | 'load'>>): Reading[] {
  const counts = new Map<string, number>(Object.keys(STATES).map((state) => [state, 0]));
  for (const { condition, load } of runners) {
    const counted: CountedState = condition === 'ok' && load?.degraded ? 'degraded' : condition;
    counts.set(counted, (counts.get(counted) ?? 0) + 1);
  }
  return [...counts].map(([state, value]) => ({ value, attributes: { state } }));
}

/** The attributes that identify a runner. */
type Known = Pick<RunnerState, 'address' | 'load' | 'identity'>;

/**
 * Warnings about runners that are probably misconfigured: one listed under two addresses, or two with the same name. Each says
 * what to do.
 */
export function duplicateWarnings(runners: readonly Known[]): string[] {
  const byProcess = groups(runners, ({ load }) => load?.instanceId);
  const twice = byProcess.map(
    ([, same]) =>
      `${listed(same)} are the same runner, which gets a share of calls for each: list it once (FN_RUNNER_ADDRESSES, or the ` +
      'source in FN_RUNNER_POOL)',
  );
  const once = [...new Map(runners.map((runner) => [runner.load?.instanceId || runner.address, runner])).values()];
  const byName = groups(once, ({ identity }) => identity?.about.name);
  const named = byName.map(
    ([name, same]) => `${listed(same)} have the same name ${JSON.stringify(name)}: give each its own FN_RUNNER_NAME`,
  );
  return [...twice, ...named];
}

function groups(runners: readonly Known[], by: (runner: Known) => string | undefined): [string, Known[]][] {
  const found = Map.groupBy(runners, (runner) => by(runner) ?? '');
  return [...found].filter(([key, same]) => key !== '' && same.length > 1);
}

function listed(runners: readonly Known[]): string {
  return runners.map(({ address }) => address).join(' and ');
}
