import type { RunnerState } from './runner-state.js';

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
