import { type Environment, readSettings, systemClock, text } from '@fnfleet/core';
import type { RunnerTls } from '@fnfleet/protocol';
import {
  type ExpectedPeer,
  fixedIdentity,
  readTlsAuthorities,
  readTlsMaterial,
  type TlsIdentity,
  tlsFiles,
  tlsSettings,
} from '@fnfleet/tls';
import { type Fetch, plainFetch, secureFetch } from './secure-fetch.js';

/** Settings from which a command takes its credentials. */
const accessSettings = {
  ...tlsSettings,
  operatorToken: text('FN_OPERATOR_TOKEN', { secret: true, doc: '' }),
  runnerName: text('FN_TLS_RUNNER_NAME', { doc: '' }),
};

/** Roles of the nodes that commands connect to; a runner's certificate must not pass for one of these. */
const SERVERS = ['api', 'lb', 'full'];
const RUNNERS = ['pure-runner'];

/** Access of a command to the fleet, with the certificate and the token of its user. */
export interface FleetAccess {
  /** For the fleet's own endpoints. Sends the token, so it must not be used for addresses from elsewhere. */
  readonly fetch: Fetch;
  /** For the HTTP ports of runners. With TLS, it sends nothing to a port that speaks plain text. */
  readonly runner: Fetch;
  /** For calls of functions. */
  readonly call: Fetch;
  /** For gRPC connections to runners; undefined: plain text. */
  readonly tls: RunnerTls | undefined;
}

/**
 * With only FN_TLS_CA set, servers are verified and no client certificate is presented.
 * @param server.name the name that the certificate of the fleet's own endpoints must have; by default their host
 * @throws SettingsError
 */
export function fleetAccess(env: Environment, server: Pick<ExpectedPeer, 'name'> = {}): FleetAccess {
  const settings = readSettings(accessSettings, env);
  const identity = identityOf(settings);
  const call: Fetch = identity ? secureFetch(identity, { ...server, roles: SERVERS }) : plainFetch;
  const { operatorToken, runnerName } = settings;
  const runner = identity ? secureFetch(identity, { name: runnerName, roles: RUNNERS }) : call;
  return {
    call,
    fetch: withToken(call, operatorToken),
    runner: withToken(runner, operatorToken),
    tls: identity && { identity, runnerName },
  };
}

function identityOf(settings: Parameters<typeof tlsFiles>[0]): TlsIdentity | undefined {
  const { tlsCert, tlsKey, tlsCa } = settings;
  if (tlsCa !== undefined && tlsCert === undefined && tlsKey === undefined) {
    return fixedIdentity({ ca: readTlsAuthorities(tlsCa) });
  }
  const files = tlsFiles(settings);
  return files && fixedIdentity(readTlsMaterial(files, systemClock.wallNow()));
}

function withToken(inner: Fetch, token: string | undefined): Fetch {
  if (token === undefined) return inner;
  return (url, options = {}) =>
    inner(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });
}
