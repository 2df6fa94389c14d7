import type { Agent } from '@fnfleet/agent';
import { VERSION } from '@fnfleet/core';
import type { RunnerAbout } from '@fnfleet/protocol';

/** What a runner tells operators of itself. */
export function aboutRunner(
  { hotFunctions }: Pick<Agent, 'hotFunctions'>,
  who: Pick<RunnerAbout, 'name' | 'httpPort' | 'nowMs'>,
): RunnerAbout {
  const withHot = hotFunctions.filter(({ hot }) => hot > 0);
  return {
    ...who,
    version: VERSION,
    hotFunctions: new Set(withHot.map(({ fnId }) => fnId)).size,
    hotContainers: withHot.reduce((sum, { hot }) => sum + hot, 0),
  };
}
