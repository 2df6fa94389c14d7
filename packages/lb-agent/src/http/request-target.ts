/** The parts of a request path that identify an invocation. */
export type RequestTarget =
  | { readonly kind: 'invoke'; readonly fnId: string }
  | { readonly kind: 'trigger'; readonly appName: string; readonly source: string };

const INVOKE = '/invoke/';
const TRIGGER = '/t/';

/**
 * Parses the path of an invocation. It is percent-decoded first; slashes are never collapsed.
 * @param url the request target, including the query
 * @returns undefined for other paths
 */
export function parseTarget(url: string): RequestTarget | undefined {
  const path = decodedPath(url);
  if (path?.startsWith(INVOKE)) {
    const fnId = path.slice(INVOKE.length);
    return fnId === '' || fnId.includes('/') ? undefined : { kind: 'invoke', fnId };
  }
  if (path?.startsWith(TRIGGER)) {
    const slash = path.indexOf('/', TRIGGER.length);
    const appName = slash === -1 ? path.slice(TRIGGER.length) : path.slice(TRIGGER.length, slash);
    return appName === '' ? undefined : { kind: 'trigger', appName, source: slash === -1 ? '/' : path.slice(slash) };
  }
  return undefined;
}

function decodedPath(url: string): string | undefined {
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
