import type { TlsFiles } from '../http/json-http.js';
import { checkParams, type PoolUrl } from '../pool-url.js';
import { problemOfAddress } from '../runner-address.js';

/** The members of an etcd cluster, and the prefix of our keys. */
export interface EtcdPlace {
  /** `http://host:port` or `https://host:port` of each member. */
  readonly endpoints: readonly string[];
  /** The prefix of the keys of all runners; ends in a slash. */
  readonly prefix: string;
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly tls: TlsFiles;
}

export const ETCD_FORM = 'etcd://host:port,host:port/prefix';
const DEFAULT_PREFIX = '/fnfleet/runners/';
const DEFAULT_PORT = 2379;
const TLS_PARAMS = ['tls', 'ca', 'cert', 'key'];

/**
 * @param extra parameters that the caller reads
 * @throws Error that says what is wrong
 */
export function parseEtcdUrl(url: PoolUrl, extra: readonly string[] = []): EtcdPlace {
  checkParams(url, [...TLS_PARAMS, ...extra]);
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => url.params.get(name));
  if ((cert === undefined) !== (key === undefined)) throw new Error('cert and key must be given together');
  const tls = url.params.get('tls') ?? (ca !== undefined || cert !== undefined ? 'true' : 'false');
  if (tls !== 'true' && tls !== 'false') throw new Error(`tls: expected true or false, got ${JSON.stringify(tls)}`);
  return {
    endpoints: url.authority.split(',').map((host) => endpointOf(host, tls === 'true' ? 'https' : 'http')),
    prefix: url.path.length > 1 ? url.path.replace(/\/?$/, '/') : DEFAULT_PREFIX,
    user: url.user,
    tls: { ca, cert, key },
  };
}

function endpointOf(host: string, scheme: string): string {
  const address = /:\d+$/.test(host) && !host.endsWith(']') ? host : `${host}:${DEFAULT_PORT}`;
  const problem = problemOfAddress(address);
  if (host === '' || problem !== undefined)
    throw new Error(`${JSON.stringify(host)}: ${problem}; expected ${ETCD_FORM}`);
  return `${scheme}://${address}`;
}
