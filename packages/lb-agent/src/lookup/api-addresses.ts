import { SettingsError } from '@fnfleet/core';
import {
  type DiscoverySettings,
  isPoolUrl,
  type MembershipSource,
  openPoolSource,
  problemOfAddress,
  type SourceDeps,
  StaticSource,
} from '@fnfleet/discovery';

export interface ApiAddressOptions {
  /** Set in a fleet with TLS: addresses without a scheme mean https, and http is refused. */
  readonly tls?: unknown;
  /** With `tls`: allow an API node without TLS. */
  readonly allowInsecure?: boolean | undefined;
}

/** Where the addresses of the API nodes come from. */
export interface ApiAddresses {
  readonly source: MembershipSource;
  /** For logs; without secrets. */
  readonly description: string;
  /** The URL of an entry of the source. @throws Error that says what is wrong with the entry */
  urlOf(entry: string): URL;
}

/**
 * Parses `FN_RUNNER_API_URL`: one URL, several with commas between them, or the URL of a pool that lists API nodes.
 * @throws SettingsError
 */
export function apiAddresses(
  text: string,
  options: ApiAddressOptions,
  settings: Partial<DiscoverySettings>,
  deps: Partial<SourceDeps> = {},
): ApiAddresses {
  if (isPoolUrl(text)) return pooled(text, options, settings, deps);
  const urls = text.split(',').map((url) => apiOrigin(url.trim(), options).origin);
  const twice = urls.find((url, at) => urls.indexOf(url) !== at);
  if (twice !== undefined) throw new SettingsError([`FN_RUNNER_API_URL: ${twice} is listed twice`]);
  return { source: new StaticSource(urls), description: urls.join(','), urlOf: (url) => new URL(url) };
}

/** Checks the setting before it is used. @throws SettingsError */
export function checkApiAddresses(
  text: string,
  options: ApiAddressOptions,
  settings: Partial<DiscoverySettings> = {},
): void {
  apiAddresses(text, options, settings);
}

function pooled(
  text: string,
  { tls }: ApiAddressOptions,
  settings: Partial<DiscoverySettings>,
  deps: Partial<SourceDeps>,
): ApiAddresses {
  const { source, description } = openPoolSource('FN_RUNNER_API_URL', text, { ...deps, settings });
  const scheme = tls ? 'https' : 'http';
  return {
    source,
    description,
    urlOf(entry) {
      const problem = problemOfAddress(entry);
      if (problem !== undefined) throw new Error(problem);
      return new URL(`${scheme}://${entry}`);
    },
  };
}

/**
 * Parses the URL of an API node. Only scheme and host are used; the default scheme is that of the fleet.
 * @throws SettingsError
 */
function apiOrigin(text: string, { tls, allowInsecure = false }: ApiAddressOptions): URL {
  const withScheme = text.includes('://') ? text : `${tls ? 'https' : 'http'}://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || url.host === '' || !/^https?:$/.test(url.protocol)) {
    throw new SettingsError([`FN_RUNNER_API_URL: no host specified for client, got ${JSON.stringify(text)}`]);
  }
  if (url.protocol === 'http:' && tls && !allowInsecure) {
    throw new SettingsError([
      `FN_RUNNER_API_URL: ${text} is plain text, but this node uses TLS (FN_TLS_CERT); use https, or set FN_ALLOW_INSECURE=1`,
    ]);
  }
  return url;
}
