import type { Reading } from '@fnfleet/core';
import type { RunnerCondition, RunnerState } from '../fleet/runner-state.js';

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
