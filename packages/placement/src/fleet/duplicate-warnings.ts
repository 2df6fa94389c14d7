import type { RunnerState } from './runner-state.js';

/** What of a runner tells it from others. */
type Known = Pick<RunnerState, 'address' | 'load' | 'identity'>;

/**
 * Runners that are not what an operator must have meant them to be: one that is listed under two addresses, two that have
 * the same name. Each with what to do.
 */
export function duplicateWarnings(runners: readonly Known[]): string[] {
  const byProcess = groups(runners, ({ load }) => load?.instanceId);
  const twice = byProcess.map(
    ([, same]) =>
      `${listed(same)} are one runner, which gets a share of calls for each: list it once (FN_RUNNER_ADDRESSES, or whatever ` +
      'FN_RUNNER_POOL reads)',
  );
  const once = [...new Map(runners.map((runner) => [runner.load?.instanceId || runner.address, runner])).values()];
  const byName = groups(once, ({ identity }) => identity?.about.name);
  const named = byName.map(
    ([name, same]) => `${listed(same)} are both called ${JSON.stringify(name)}: give each its own FN_RUNNER_NAME`,
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
