import type { IncomingMessage } from 'node:http';

/** The absolute URL of a request as its client wrote it: scheme, `Host` header, path and query. */
export function requestUrl(request: IncomingMessage): string {
  // A router may have rewritten `url`; Express keeps the original.
  const target = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '/';
  if (!target.startsWith('/')) return target;
  const scheme = 'encrypted' in request.socket ? 'https' : 'http';
  return `${scheme}://${request.headers.host ?? ''}${target}`;
}
