import { SettingsError } from '@fnfleet/core';

/** What a `nats://` URL says. */
export interface NatsTarget {
  /** Each is `host:port`. */
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** A file with a JWT and its key. */
  readonly credentialsFile: string | undefined;
  readonly tls: NatsTls | false;
  /** Of the queue: its streams and subjects begin with it. */
  readonly name: string;
  /** Of new streams; undefined: three in a cluster, one otherwise. */
  readonly replicas: number | undefined;
  /** Where the server answers `/varz`, for example `http://127.0.0.1:8222`. */
  readonly monitor: string | undefined;
  /** For messages: without secrets. */
  readonly shown: string;
}

export interface NatsTls {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

const MAX_URL = 4_096;
const DEFAULT_PORT = 4222;
const DEFAULT_NAME = 'fnfleet';
const PARAMETERS = ['creds', 'tls', 'tls_ca', 'tls_cert', 'tls_key', 'replicas', 'monitor'];
const FORM = 'nats://user:password@host:port,host:port/name';

/**
 * Reads a URL of the form `nats://user:password@host:port,host:port/name?creds=…`. A user without a password is a token, as
 * in other clients of NATS. TLS is required unless all hosts are this machine or `tls=off` says otherwise.
 * @throws SettingsError that never shows the URL, because it may contain a password
 */
export function parseNatsUrl(url: string): NatsTarget {
  if (url.length > MAX_URL) throw problem(`a URL has at most ${MAX_URL} characters`);
  const [address = '', query = ''] = split(url.replace(/^nats:\/\//, ''), '?');
  const [authority = '', path = ''] = split(address, '/');
  const at = authority.indexOf('@');
  const [login, hosts] = at < 0 ? [undefined, authority] : [authority.slice(0, at), authority.slice(at + 1)];
  const servers = hosts.split(',').map(withPort);
  const parameters = new URLSearchParams(query);
  const unknown = [...parameters.keys()].filter((name) => !PARAMETERS.includes(name));
  if (unknown.length > 0) {
    const names = unknown.map((name) => JSON.stringify(name)).join(', ');
    throw problem(`unknown parameter ${names}; known: ${PARAMETERS.join(', ')}`);
  }
  const name = path === '' ? DEFAULT_NAME : path;
  if (!/^[\w-]{1,32}$/.test(name)) throw problem('the name of the queue is up to 32 letters, digits, - and _');
  const replicas = parameters.get('replicas');
  if (replicas !== null && !/^[1-5]$/.test(replicas)) throw problem('replicas is a number from 1 to 5');
  const monitor = parameters.get('monitor') || undefined;
  if (monitor !== undefined && !/^https?:\/\/[^/]/.test(monitor)) {
    throw problem('monitor is the URL of the monitoring port of the server, for example http://127.0.0.1:8222');
  }
  return {
    servers,
    ...loginOf(login),
    credentialsFile: parameters.get('creds') || undefined,
    tls: tlsOf(parameters, servers),
    name,
    replicas: replicas === null ? undefined : Number(replicas),
    monitor,
    shown: `nats://${servers.join(',')}/${name}`,
  };
}

/** At the first separator. */
function split(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function withPort(host: string): string {
  const [, name, port = String(DEFAULT_PORT)] = /^(\[[\da-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(host) ?? [];
  if (name === undefined) throw problem(`not a URL of the form ${FORM}; encode special characters as %XX`);
  return `${name}:${port}`;
}

function loginOf(login: string | undefined): Pick<NatsTarget, 'user' | 'password' | 'token'> {
  if (!login) return { user: undefined, password: undefined, token: undefined };
  const [first = '', second] = split(login, ':').map(decoded);
  return second === undefined
    ? { user: undefined, password: undefined, token: first }
    : { user: first, password: second, token: undefined };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw problem('user or password contains a % that is not the beginning of a %XX');
  }
}

function tlsOf(parameters: URLSearchParams, servers: readonly string[]): NatsTls | false {
  const files = {
    caFile: parameters.get('tls_ca') || undefined,
    certFile: parameters.get('tls_cert') || undefined,
    keyFile: parameters.get('tls_key') || undefined,
  };
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    throw problem('tls_cert and tls_key belong together');
  }
  const hasFiles = files.caFile !== undefined || files.certFile !== undefined;
  const given = parameters.get('tls');
  if (given !== null && given !== 'on' && given !== 'off') throw problem('tls is on or off');
  if (given === 'off' && hasFiles) throw problem('tls_ca, tls_cert and tls_key need tls=on');
  if (given === null && !hasFiles && servers.every(isThisMachine)) return false;
  return given === 'off' ? false : files;
}

function isThisMachine(server: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(server);
}

function problem(text: string): SettingsError {
  return new SettingsError([`FN_MQ_URL: ${text}`]);
}
