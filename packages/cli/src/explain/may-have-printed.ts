import type { Explanation } from '@fnfleet/operator-api';

/** Whether a call can have output: it started, or a container was launched for it, which may have printed an error. */
export function mayHavePrinted({ events, omitted, on_runner: timings }: Explanation): boolean {
  if (omitted > 0 || events.some(({ event, text }) => event === 'said' && text === 'started')) return true;
  return timings !== undefined && (timings.container_create_ms > 0 || timings.executed_ms > 0);
}
