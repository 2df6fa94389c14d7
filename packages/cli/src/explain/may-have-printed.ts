import type { Explanation } from '@fnfleet/lb-agent';

/** Whether there can be output of a call: it was begun, or a container was made for it, which may have failed with a message. */
export function mayHavePrinted({ events, omitted, on_runner: timings }: Explanation): boolean {
  if (omitted > 0 || events.some(({ event, text }) => event === 'said' && text === 'started')) return true;
  return timings !== undefined && (timings.container_create_ms > 0 || timings.executed_ms > 0);
}
