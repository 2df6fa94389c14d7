import type { IncomingMessage } from 'node:http';

/** No user: a name before an `@` is there to mislead. */
const ABSOLUTE = /^https?:\/\/([^/?@\s]+)((?:[/?].*)?)$/i;

/**
 * Proxies write the whole URL into the request line (RFC 9112, 3.2.2). Path and query of it become the request's `url`,
 * its authority the `Host`, whatever that said.
 * @returns false: the target is neither a path nor such a URL, and two who read it may find different paths and hosts
 *   in it
 */
export function takeAbsoluteForm(req: IncomingMessage): boolean {
  const { url = '', headers, rawHeaders } = req;
  if (url.startsWith('/') || url === '*') return true;
  const [, authority, rest = ''] = ABSOLUTE.exec(url) ?? [];
  if (authority === undefined) return false;
  req.url = rest.startsWith('/') ? rest : `/${rest}`;
  headers.host = authority;
  let known = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'host') continue;
    rawHeaders[at + 1] = authority;
    known = true;
  }
  if (!known) rawHeaders.push('Host', authority);
  return true;
}
