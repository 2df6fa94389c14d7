import { type Environment, later, printableLine, readSettings, systemClock } from '@fnfleet/core';
import {
  addressKey,
  type DiscoverySettings,
  discoverySettings,
  newRunnerPool,
  registrationSettings,
} from '@fnfleet/discovery';
import { duplicateWarnings, newGrpcRunner, type RunnerIdentity, runnerIdentityOf } from '@fnfleet/placement';
import type { LoadReport, RunnerTls } from '@fnfleet/protocol';
import { shownSkew } from '../../terminal/output.js';
import { MAX_SKEW_MS } from '../balancers.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Time limits for the list of runners, and then for the answer of each runner; milliseconds. */
const LIST_MS = 5000;
const STATUS_MS = 5000;
const LOOK_MS = 50;
/** Maximum length of a finding, in characters. */
const MAX_WHAT = 1_000;

interface AskedRunner {
  readonly address: string;
  readonly load: LoadReport | undefined;
  readonly identity: RunnerIdentity | undefined;
  /** Why the runner did not answer. */
  readonly error?: Error;
}

/** The node that runs the check, if it is a runner: its name and the address at which balancers reach it. */
export interface Ourselves {
  readonly name: string | undefined;
  readonly address: string | undefined;
}

/** Checks every listed runner the way a balancer reaches it. */
export async function checkRunners(
  { settings, setting }: Peers,
  tls: RunnerTls | undefined,
  ourselves: Ourselves,
): Promise<Finding[]> {
  const options = { statusTimeoutMs: STATUS_MS, tls };
  const pool = newRunnerPool({ settings, createRunner: (address) => newGrpcRunner(address, options) });
  try {
    const { source, refused, listed, lastFailure } = await firstList(pool);
    if (!listed) {
      const why = lastFailure?.reason ?? `no answer for ${LIST_MS} ms`;
      // An empty list is no failure for a runner: it may be the first to register.
      const verdict = setting === 'FN_REGISTER' ? warn : fail;
      return [
        verdict(
          'runners',
          `${source} lists no runners: ${why}`,
          `check that ${setting} is correct and that its source can be reached`,
        ),
      ];
    }
    const wrong = refused.map(({ address, reason }) =>
      fail('runners', `${address} is not the address of a runner: ${reason}`, `correct it in ${source}`),
    );
    const runners = await Promise.all(pool.members().map(asked));
    if (runners.length === 0)
      wrong.push(warn('runners', `${source} lists no runners`, 'start runners, or list them there'));
    return [...wrong, ...runners.flatMap(findingsOn), ...namesakes(runners, ourselves)].map(onOneLine);
  } finally {
    await pool.close();
  }
}

/** Runners choose their names, versions and reasons, so these must not be able to fake a line of the report. */
function onOneLine(finding: Finding): Finding {
  return { ...finding, what: printableLine(finding.what, MAX_WHAT) };
}

/** Waits for the list, or for the reason why there is none. */
async function firstList(pool: ReturnType<typeof newRunnerPool>) {
  const until = later(systemClock.now(), LIST_MS);
  for (;;) {
    const status = pool.status();
    const listed = status.listAgeMs !== undefined;
    if (listed || status.lastFailure !== undefined || systemClock.now() >= until) return { ...status, listed };
    await systemClock.sleep(LOOK_MS);
  }
}

/** Warns about runners with the same name or address, this one included. */
function namesakes(runners: readonly AskedRunner[], { name, address }: Ourselves): Finding[] {
  const alike = duplicateWarnings(runners).map((what) => {
    const at = what.indexOf(': ');
    return fail('runners', what.slice(0, at), what.slice(at + 2));
  });
  if (name === undefined || address === undefined) return alike;
  const other = runners.find((runner) => runner.identity?.about.name === name && !isAt(runner.address, address));
  if (other === undefined) return alike;
  return [
    ...alike,
    fail(
      'runners',
      `${other.address} has the same name as this runner, ${name}`,
      'give each runner its own FN_RUNNER_NAME',
    ),
  ];
}

/** @param advertised may lack a port */
function isAt(address: string, advertised: string): boolean {
  return addressKey(address) === addressKey(advertised) || address.slice(0, address.lastIndexOf(':')) === advertised;
}

async function asked(runner: ReturnType<typeof newGrpcRunner>): Promise<AskedRunner> {
  const { address } = runner;
  const sentAt = systemClock.now();
  try {
    const { load, about } = await runner.status();
    return {
      address,
      load,
      identity: about && runnerIdentityOf(about, systemClock.now() - sentAt, systemClock.wallNow()),
    };
  } catch (error) {
    return { address, load: undefined, identity: undefined, error: error as Error };
  }
}

function findingsOn({ address, load, identity, error }: AskedRunner): Finding[] {
  if (error !== undefined) {
    return [
      fail(
        'runner',
        `${address} does not answer: ${error.message}`,
        'check that it is running, that its port is reachable from here, and that its certificate covers that name',
      ),
    ];
  }
  if (identity === undefined) return [ok('runner', `${address} answers; it is an Fn runner and reports nothing more`)];
  const { about, clockSkewMs, uncertaintyMs } = identity;
  const findings = [
    ok('runner', `${address} answers: ${about.name}, version ${about.version}, clock ${shownSkew(clockSkewMs)}`),
  ];
  if (Math.abs(clockSkewMs) - uncertaintyMs > MAX_SKEW_MS) {
    findings.push(
      warn(
        'clock',
        `the clock of ${address} differs by ${shownSkew(clockSkewMs)} from this one`,
        'synchronize both with NTP (timedatectl)',
      ),
    );
  }
  if (load?.degraded) {
    findings.push(warn('runner', `${address} is degraded: ${load.degradedReason}`, 'run fnfleet doctor there'));
  }
  if (load?.draining)
    findings.push(
      warn('runner', `${address} takes no new calls`, `when it should take calls again: fnfleet undrain ${address}`),
    );
  return findings;
}

/** The source of the runner list of a fleet, as one of its nodes knows it. */
interface Peers {
  /** The source in the form that a balancer reads. */
  readonly settings: Partial<DiscoverySettings>;
  /** The setting that names the source. */
  readonly setting: 'FN_RUNNER_ADDRESSES' | 'FN_RUNNER_POOL' | 'FN_REGISTER';
}

/** @returns undefined if no setting of this node names a source */
export function peersOf(env: Environment): Peers | undefined {
  const { runnerAddresses, runnerPool, ...others } = discoverySettings;
  // Only a balancer requires one of the two.
  const settings = readSettings(
    { ...others, runnerAddresses, runnerPool: { ...runnerPool, insteadOf: undefined } },
    env,
  );
  if (settings.runnerPool !== undefined) return { settings, setting: 'FN_RUNNER_POOL' };
  if (settings.runnerAddresses !== undefined) return { settings, setting: 'FN_RUNNER_ADDRESSES' };
  const { register } = readSettings(registrationSettings, env);
  if (register === undefined) return undefined;
  return { settings: { ...settings, runnerPool: withoutTtl(register) }, setting: 'FN_REGISTER' };
}

/** Removes the TTL: only the runner that writes an entry may set how long it lasts. */
function withoutTtl(register: string): string {
  const [place = '', query = ''] = register.split('?');
  const kept = query.split('&').filter((part) => part !== '' && !part.startsWith('ttl='));
  return kept.length === 0 ? place : `${place}?${kept.join('&')}`;
}
