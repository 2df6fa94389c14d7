import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Whether an address or name is reachable only from this machine. */
export function isLoopback(address: string): boolean {
  const host = address.toLowerCase();
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost' || /^::ffff:127\./.test(host);
}

/** The absolute URL of a request as its client wrote it: scheme, `Host` header, path and query. */
export function requestUrl(request: IncomingMessage): string {
  // A router may have rewritten `url`; Express keeps the original.
  const target = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '/';
  if (!target.startsWith('/')) return target;
  const scheme = 'encrypted' in request.socket ? 'https' : 'http';
  return `${scheme}://${request.headers.host ?? ''}${target}`;
}
