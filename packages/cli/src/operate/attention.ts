import { type AskedBalancer, isHeard } from './balancers.js';
import type { FleetAnswer, RunnerLine } from './fleet-answer.js';
import { shownSkew } from './quantities.js';

/** Clocks of one fleet that differ by more make logs hard to read and certificates early or late, milliseconds. */
export const MAX_SKEW_MS = 1000;
/** What an operator wants, or what will have passed in a moment. */
const WELL: ReadonlySet<string> = new Set(['ok', 'draining', 'cordoned', 'silent']);

/** What an operator has to look at, in words. None: all is well. */
export function attention(balancers: readonly AskedBalancer[]): string[] {
  const each = balancers.flatMap((balancer) => (isHeard(balancer) ? ofFleet(balancer) : [balancer.error]));
  // Balancers of one fleet say the same of its runners.
  return [...new Set(each)];
}

function ofFleet({ url, fleet }: { url: string; fleet: FleetAnswer }): string[] {
  const { api, pool, troubles = [], runners } = fleet;
  const found = [...troubles];
  if (api?.trouble !== undefined) found.push(`${api.url} does not serve as an API node: ${api.trouble}`);
  if (pool?.failing) {
    found.push(
      `${url} cannot look up its runners in ${pool.source}: ${pool.last_failure?.reason ?? 'it does not say why'}`,
    );
  }
  for (const { address, reason } of pool?.refused ?? []) found.push(`${address} is no address of a runner: ${reason}`);
  for (const runner of runners) found.push(...ofRunner(runner));
  if (pool !== undefined && !runners.some(takesCalls)) found.push(`${url} has no runner that takes calls`);
  return found;
}

function ofRunner({ address, state, reason, load, clock_skew_ms: skew = 0, clock_uncertainty_ms: by = 0 }: RunnerLine) {
  const found: string[] = [];
  if (!WELL.has(state)) found.push(`${address} is ${state}${reason ? `: ${reason}` : ''}`);
  if (load?.degraded) found.push(`${address} is degraded: ${load.degraded_reason ?? reason ?? 'it does not say why'}`);
  if (Math.abs(skew) - by > MAX_SKEW_MS) {
    found.push(`the clock of ${address} is ${shownSkew(skew)} off that of the balancer: let NTP set both`);
  }
  return found;
}

/** As far as the balancer knows. */
export function takesCalls({ state }: Pick<RunnerLine, 'state'>): boolean {
  return state === 'ok';
}
