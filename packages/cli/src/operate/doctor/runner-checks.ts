import { later, printableLine, systemClock } from '@fnfleet/core';
import { addressKey, newRunnerPool } from '@fnfleet/discovery';
import { duplicateWarnings, newGrpcRunner, type RunnerIdentity, runnerIdentityOf } from '@fnfleet/placement';
import type { LoadReport, RunnerTls } from '@fnfleet/protocol';
import { MAX_SKEW_MS } from '../attention.js';
import { shownSkew } from '../quantities.js';
import { type Finding, fail, ok, warn } from './finding.js';
import type { Peers } from './peers.js';

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
