import type { RunnerLine } from '@fnfleet/operator-api';

/**
 * The HTTP URL of a runner, made of the host of its address and the HTTP port that it reports.
 * @param secure whether the fleet uses TLS: then both ports of a runner do
 * @returns undefined if the runner reports no HTTP port
 */
export function httpUrlOf({ address, http_port: port }: RunnerLine, secure: boolean): string | undefined {
  if (port === undefined) return undefined;
  return `${secure ? 'https' : 'http'}://${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}
