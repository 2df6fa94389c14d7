import type { MembershipSource, SourceDeps } from './membership.js';

/**
 * Parses `FN_RUNNER_POOL` and `FN_REGISTER`: `scheme://user:password@authority/path?parameters`. Not all of them are valid
 * URLs, because an authority may list several hosts.
 */
export interface PoolUrl {
  readonly scheme: string;
  readonly user: { readonly name: string; readonly password: string } | undefined;
  /** `host:port,host:port`, or another form that the scheme defines. */
  readonly authority: string;
  /** With its slash, or empty. */
  readonly path: string;
  readonly params: ReadonlyMap<string, string>;
  /** As given, without user and password. */
  readonly shown: string;
}

const FORM = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/?]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i;

/** @throws Error that does not quote the text, which may contain a password */
export function parsePoolUrl(text: string): PoolUrl {
  const [, scheme, userInfo, authority = '', path = '', query] = FORM.exec(text) ?? [];
  if (scheme === undefined) throw new Error('it is not a URL such as dns://tasks.runner:9190');
  return {
    scheme: scheme.toLowerCase(),
    user: userInfo === undefined ? undefined : parseUser(userInfo),
    authority,
    path: decoded(path),
    params: new Map(new URLSearchParams(query)),
    shown: `${scheme.toLowerCase()}://${authority}${path}${query ? `?${query}` : ''}`,
  };
}

/** @throws Error if the URL has unknown parameters, so that a mistyped one is not ignored */
export function checkParams(url: PoolUrl, known: readonly string[]): void {
  for (const name of url.params.keys()) {
    if (!known.includes(name)) {
      const right = known.length > 0 ? `known: ${known.join(', ')}` : `${url.scheme}:// has none`;
      throw new Error(`unknown parameter ${JSON.stringify(name)}; ${right}`);
    }
  }
}

function parseUser(userInfo: string): PoolUrl['user'] {
  const [name = '', ...password] = userInfo.split(':');
  return { name: decoded(name), password: decoded(password.join(':')) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('a % in it is not followed by two hexadecimal digits; % itself is written %25');
  }
}

/** A kind of runner pool, selected by the scheme of `FN_RUNNER_POOL`. */
export interface PoolFactory {
  /** The scheme. */
  readonly name: string;
  /** For `docs/configuration.md`: the form of the URL, then its meaning. */
  readonly form: string;
  readonly doc: string;
  /** @throws Error that says what is wrong with the URL */
  create(url: PoolUrl, deps: PoolDeps): MembershipSource;
}

export interface PoolDeps extends SourceDeps {
  /** The address of the Kubernetes API as given by Kubernetes. Undefined outside a cluster. */
  readonly kubernetes: { readonly host: string; readonly port: string } | undefined;
}
