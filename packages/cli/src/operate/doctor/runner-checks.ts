import { later, printableLine, systemClock } from '@fnfleet/core';
import { addressKey, newRunnerPool } from '@fnfleet/discovery';
import { duplicateWarnings, newGrpcRunner, type RunnerIdentity, runnerIdentityOf } from '@fnfleet/placement';
import type { LoadReport, RunnerTls } from '@fnfleet/protocol';
import { MAX_SKEW_MS } from '../attention.js';
import { shownSkew } from '../quantities.js';
import { type Finding, fail, ok, warn } from './finding.js';
import type { Peers } from './peers.js';

/** How long a list of runners may take to come, and then each runner to answer; milliseconds. */
const LIST_MS = 5000;
const STATUS_MS = 5000;
const LOOK_MS = 50;
/** Characters of a finding. */
const MAX_WHAT = 1_000;

interface AskedRunner {
  readonly address: string;
  readonly load: LoadReport | undefined;
  readonly identity: RunnerIdentity | undefined;
  /** Why it did not answer. */
  readonly error?: Error;
}

/** The node that asks, if it is a runner: what it is called, and where balancers reach it. */
export interface Ourselves {
  readonly name: string | undefined;
  readonly address: string | undefined;
}

/** Every runner that is listed, as a balancer would reach it. */
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
      // A runner may be the first to register.
      const verdict = setting === 'FN_REGISTER' ? warn : fail;
      return [
        verdict(
          'runners',
          `${source} lists no runners: ${why}`,
          `see to it that ${setting} is right and its source is there`,
        ),
      ];
    }
    const wrong = refused.map(({ address, reason }) =>
      fail('runners', `${address} is no address of a runner: ${reason}`, `put it right in ${source}`),
    );
    const runners = await Promise.all(pool.members().map(asked));
    if (runners.length === 0) wrong.push(warn('runners', `${source} lists none`, 'start runners, or list them there'));
    return [...wrong, ...runners.flatMap(findingsOn), ...namesakes(runners, ourselves)].map(onOneLine);
  } finally {
    await pool.close();
  }
}

/** Names, versions and reasons are the runners' own: they begin no line that could be one of ours. */
function onOneLine(finding: Finding): Finding {
  return { ...finding, what: printableLine(finding.what, MAX_WHAT) };
}

/** Waits for it, or for word of why there is none. */
async function firstList(pool: ReturnType<typeof newRunnerPool>) {
  const until = later(systemClock.now(), LIST_MS);
  for (;;) {
    const status = pool.status();
    const listed = status.listAgeMs !== undefined;
    if (listed || status.lastFailure !== undefined || systemClock.now() >= until) return { ...status, listed };
    await systemClock.sleep(LOOK_MS);
  }
}

/** Runners that cannot be told apart, ourselves among them. */
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
    fail('runners', `${other.address} has the name of this one, ${name}`, 'give each its own FN_RUNNER_NAME'),
  ];
}

/** @param advertised perhaps without a port */
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
        'see to it that it runs, that its port is open to here, and that its certificate is for that name',
      ),
    ];
  }
  if (identity === undefined) return [ok('runner', `${address} answers; it is one of Fn, and tells no more`)];
  const { about, clockSkewMs, uncertaintyMs } = identity;
  const findings = [
    ok('runner', `${address} answers: ${about.name}, version ${about.version}, clock ${shownSkew(clockSkewMs)}`),
  ];
  if (Math.abs(clockSkewMs) - uncertaintyMs > MAX_SKEW_MS) {
    findings.push(
      warn('clock', `that of ${address} is ${shownSkew(clockSkewMs)} off ours`, 'let NTP set both (timedatectl)'),
    );
  }
  if (load?.degraded) {
    findings.push(warn('runner', `${address} is degraded: ${load.degradedReason}`, 'run fnfleet doctor there'));
  }
  if (load?.draining)
    findings.push(warn('runner', `${address} takes no new calls`, `fnfleet undrain ${address}, when it may`));
  return findings;
}
