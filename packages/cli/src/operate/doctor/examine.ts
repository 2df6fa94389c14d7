import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { agentSettings } from '@fnfleet/agent';
import { apiSettings } from '@fnfleet/api';
import { type Environment, readSettings, SettingsError, type SettingsOf, type SettingsShape } from '@fnfleet/core';
import { registrationSettings } from '@fnfleet/discovery';
import { BODIES_NEED, dockerCapabilities, SOCKETS_DISK_REMEDY, SOCKETS_NEED } from '@fnfleet/drivers';
import { httpSettings } from '@fnfleet/http';
import { lbSettings } from '@fnfleet/lb-agent';
import { commonSettings, formerSettings, unknownSettings } from '@fnfleet/node';
import { driverSettings, meaninglessSettings, ROLES } from '@fnfleet/node/roles';
import { newGrpcRunner } from '@fnfleet/placement';
import { pureRunnerSettings } from '@fnfleet/pure-runner';
import { namesOf } from '@fnfleet/tls';
import { type FleetAccess, fleetAccess } from '../../access/fleet-access.js';
import { secureFetch } from '../../access/secure-fetch.js';
import { ask } from '../ask.js';
import { checkApi } from './api-check.js';
import { checkDatabase } from './database-check.js';
import { checkEngine } from './engine-check.js';
import { type Check, type Finding, found, ok, warn } from './finding.js';
import { checkMemory, checkOpenFiles, checkPort, checkSocket, diskFinding } from './machine-checks.js';
import { checkRunners, peersOf } from './runner-checks.js';
import { checkAuthorities, checkTls } from './tls-check.js';

type NodeSettings = SettingsOf<typeof commonSettings & typeof httpSettings>;
/** A check with the name under which it is reported if it throws. */
type Checks = readonly (readonly [name: string, check: Check])[];

const VERSION_SHAPE = { fields: { version: { optional: 'string' } } } as const;

/** Checks everything that a node with this environment needs, on this machine and in the fleet. Never throws. */
export async function examine(env: Environment): Promise<Finding[]> {
  const read = settingsOf(env);
  const unknown = unknownSettings(env).map(({ name, hint }) => warn('settings', `${name} has no effect`, hint));
  const former = formerSettings(env).map(({ name, use }) => warn('settings', `${name} was renamed`, `use ${use}`));
  if (!('settings' in read)) {
    return [
      ...read.problems.map((what) => ({ check: 'settings', verdict: 'fail', what }) as const),
      ...unknown,
      ...former,
    ];
  }
  const { settings } = read;
  const role = settings.nodeType;
  const checks: Checks = [
    ['tls', async () => (isOperators(env) ? checkAuthorities(settings) : checkTls(settings, reachedAt(env)))],
    ['port', () => httpPort(settings, env)],
    ['files', () => checkOpenFiles()],
    ...(role === 'pure-runner' || role === 'full' ? runnerChecks(env) : []),
    ...(role === 'api' || role === 'full' ? databaseChecks(env) : []),
    ...(role === 'pure-runner' ? grpcChecks(settings, env) : []),
    ...(role === 'lb' ? balancerChecks(settings, env) : []),
    ...fleetChecks(env),
  ];
  const findings = await Promise.all(checks.map(([name, check]) => found(name, check)));
  const wrong = saidNowhere(meaninglessSettings(ROLES[role], env), findings.flat());
  const own = wrong.length > 0 ? wrong : [ok('settings', `valid for a node with FN_NODE_TYPE=${role}`)];
  return [...own, ...unknown, ...former, ...findings.flat()];
}

/** Problems with settings that keep a node from starting and that no other check has found. */
function saidNowhere(problems: readonly string[], findings: readonly Finding[]): Finding[] {
  const said = findings.filter(({ verdict }) => verdict === 'fail').map(({ what, remedy }) => `${what}\n${remedy}`);
  const isNew = (problem: string) => !said.some((text) => text.includes(problem.slice(0, problem.indexOf(':'))));
  return problems.filter(isNew).map((what) => ({ check: 'settings', verdict: 'fail', what }));
}

function settingsOf(env: Environment): { settings: NodeSettings } | { problems: readonly string[] } {
  try {
    const settings = readSettings({ ...commonSettings, ...httpSettings }, env);
    readSettings({ ...ROLES[settings.nodeType].settings } as SettingsShape, env);
    return { settings };
  } catch (error) {
    return { problems: error instanceof SettingsError ? error.problems : [(error as Error).message] };
  }
}

function runnerChecks(env: Environment): Checks {
  const settings = readSettings({ ...driverSettings, ...agentSettings }, env);
  return [
    ['engine', () => checkEngine(settings)],
    ['memory', () => checkMemory(settings, settings.driver === 'docker' ? dockerCapabilities(settings) : {})],
    ['disk', async () => [await diskFinding(settings.iofsPath ?? tmpdir(), SOCKETS_NEED, SOCKETS_DISK_REMEDY)]],
  ];
}

function databaseChecks(env: Environment): Checks {
  const { dbUrl } = readSettings(apiSettings, env);
  return [['database', () => checkDatabase(dbUrl)]];
}

function grpcChecks({ bindAddress: host }: NodeSettings, env: Environment): Checks {
  const { grpcPort: port, grpcSocket: socket } = readSettings(pureRunnerSettings, env);
  const address = socket === undefined ? `${dialled(host)}:${port}` : `unix:${socket}`;
  const whoIsThere = async () => {
    const runner = newGrpcRunner(address, { tls: ownAccess(env).tls });
    try {
      const { about } = await runner.status();
      return about && `the running runner ${about.name}`;
    } finally {
      await runner.close();
    }
  };
  if (socket !== undefined) {
    return [['port', () => checkSocket(socket, { setting: 'FN_GRPC_SOCKET', whoIsThere })]];
  }
  return [['port', () => checkPort({ setting: 'FN_GRPC_PORT', host, port, whoIsThere })]];
}

function balancerChecks({ allowInsecure }: NodeSettings, env: Environment): Checks {
  const settings = readSettings(lbSettings, env);
  const { runnerApiUrl, replaySpillDir = tmpdir() } = settings;
  const remedy = 'free space there, or point FN_REPLAY_SPILL_DIR to another file system';
  return [
    ['disk', async () => [await diskFinding(replaySpillDir, BODIES_NEED, remedy)]],
    [
      'api',
      async () => {
        const { fetch, tls } = fleetAccess(env, { name: settings.tlsApiName });
        return checkApi(runnerApiUrl, { fetch, hasTls: tls !== undefined, allowInsecure, settings });
      },
    ],
  ];
}

/** Checks the runners in the list that this node reads, or registers itself in. */
function fleetChecks(env: Environment): Checks {
  const peers = peersOf(env);
  if (peers === undefined) return [];
  const { runnerName: name } = readSettings(pureRunnerSettings, env);
  const { advertiseAddress: address } = readSettings(registrationSettings, env);
  return [['runners', () => checkRunners(peers, fleetAccess(env).tls, { name, address })]];
}

async function httpPort({ bindAddress: host, port }: NodeSettings, env: Environment): Promise<readonly Finding[]> {
  const whoIsThere = async () => {
    const { call, tls } = ownAccess(env);
    const url = `${tls === undefined ? 'http' : 'https'}://${dialled(host)}:${port}/version`;
    const { version } = await ask<{ version?: string }>(call, url, VERSION_SHAPE);
    return version === undefined ? undefined : `a running node of version ${version}`;
  };
  return checkPort({ setting: 'FN_PORT', host, port, whoIsThere });
}

/**
 * Access to ports on this machine that may be our own: their certificate is ours and need not cover loopback. Sends no
 * token, because another process may listen there.
 */
function ownAccess(env: Environment): Pick<FleetAccess, 'call' | 'tls'> {
  const { call, tls } = fleetAccess(env);
  if (tls === undefined) return { call, tls };
  const runnerName = ownName(tls.identity.material.cert);
  return { call: secureFetch(tls.identity, { name: runnerName }), tls: { ...tls, runnerName } };
}

/** @returns undefined if there is no certificate, or none that names a host */
function ownName(cert: string | undefined): string | undefined {
  return cert === undefined ? undefined : namesOf(new X509Certificate(cert)).find((name) => !name.includes(':'));
}

/** Whether these are the settings of an operator, not of a node: no role, and a CA without a certificate. */
function isOperators({ FN_NODE_TYPE: role, FN_TLS_CA: ca, FN_TLS_CERT: cert, FN_TLS_KEY: key }: Environment): boolean {
  return !role?.trim() && Boolean(ca?.trim()) && !cert?.trim() && !key?.trim();
}

/** Hosts that this node advertises to others. */
function reachedAt(env: Environment): string[] {
  const { advertiseAddress } = readSettings(registrationSettings, env);
  if (advertiseAddress === undefined) return [];
  return [advertiseAddress.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')];
}

/** The host at which a listener on this address is reached from this machine. */
function dialled(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
