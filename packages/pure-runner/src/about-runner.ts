import type { Agent } from '@fnfleet/agent';
import { VERSION } from '@fnfleet/core';
import { MAX_ABOUT_PULLS, type RunnerAbout } from '@fnfleet/protocol';

/** Facts about a runner for operators. */
export function aboutRunner(
  { hotFunctions, imagePulls }: Pick<Agent, 'hotFunctions' | 'imagePulls'>,
  who: Pick<RunnerAbout, 'name' | 'httpPort' | 'nowMs'>,
): RunnerAbout {
  const withHot = hotFunctions.filter(({ hot }) => hot > 0);
  return {
    ...who,
    version: VERSION,
    pulls: imagePulls.slice(0, MAX_ABOUT_PULLS),
    hotFunctions: new Set(withHot.map(({ fnId }) => fnId)).size,
    hotContainers: withHot.reduce((sum, { hot }) => sum + hot, 0),
  };
}
