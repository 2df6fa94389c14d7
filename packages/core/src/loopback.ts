import { isIP } from 'node:net';

/** Whether an address or name is reachable only from this machine. */
export function isLoopback(address: string): boolean {
  const host = address.toLowerCase();
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost' || /^::ffff:127\./.test(host);
}
