import { isIP } from 'node:net';

/** Whether only this machine reaches an address, or names it. */
export function isLoopback(address: string): boolean {
  const host = address.toLowerCase();
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost' || /^::ffff:127\./.test(host);
}
