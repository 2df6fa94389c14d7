import type { RunnerLine } from './fleet-answer.js';

/**
 * Where a runner serves HTTP, by what a balancer knows of it: the host is that of its address. Undefined: it does not tell.
 * @param secure the fleet has TLS: both ports of a runner do, or neither
 */
export function httpUrlOf({ address, http_port: port }: RunnerLine, secure: boolean): string | undefined {
  if (port === undefined) return undefined;
  return `${secure ? 'https' : 'http'}://${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}
