import { isIP } from 'node:net';
import { epochMs, SettingsError, type SettingsOf, silentLogger, systemClock } from '@fnfleet/core';
import type { httpSettings } from '@fnfleet/http';
import type { commonSettings } from '@fnfleet/node';
import { roleSecurity } from '@fnfleet/node';
import { readTlsAuthorities, readTlsMaterial, type TlsFiles, tlsFiles } from '@fnfleet/tls';
import { type Finding, fail, ok, warn } from './finding.js';

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;

/**
 * Checks the certificates of a node, or whether it may run without any.
 * @param reachedAt hosts at which other nodes reach it, as far as its settings name them
 */
export async function checkTls(
  settings: SettingsOf<typeof commonSettings & typeof httpSettings>,
  reachedAt: readonly string[],
  now = systemClock.wallNow(),
): Promise<Finding[]> {
  try {
    const files = tlsFiles(settings);
    if (files === undefined) {
      roleSecurity(settings, silentLogger).close();
      return [plainText(settings)];
    }
    const { names, expiresAt, endsFirst } = readTlsMaterial(files, now);
    const days = Math.floor((epochMs(expiresAt) - epochMs(now)) / DAY_MS);
    const what = `${files.cert}: for ${names.join(', ')}; ${endsFirst === 'ca' ? 'its CA expires' : 'expires'} in ${days} days`;
    const missing = reachedAt.filter((host) => !names.some((name) => matches(name, host)));
    return [
      days >= SOON_DAYS ? ok('tls', what) : warn('tls', what, renewal(endsFirst)),
      ...missing.map((host) =>
        fail(
          'tls',
          `the certificate ${files.cert} does not cover ${host}, at which other nodes reach this one: they will refuse it`,
          `fnfleet certs issue <name> --san ${host}, or give the balancers FN_TLS_RUNNER_NAME=${names[0] ?? '<name>'}`,
        ),
      ),
    ];
  } catch (error) {
    const problems = error instanceof SettingsError ? error.problems : [(error as Error).message];
    return problems.map((what) => ({ check: 'tls', verdict: 'fail', what }));
  }
}

/** Checks the CA of an operator who has no certificate. */
export function checkAuthorities({ tlsCa = '' }: Pick<SettingsOf<typeof commonSettings>, 'tlsCa'>): Finding[] {
  try {
    readTlsAuthorities(tlsCa);
  } catch (error) {
    return [{ check: 'tls', verdict: 'fail', what: (error as Error).message }];
  }
  const what = `${tlsCa} identifies the servers of the fleet; commands authenticate with a token (FN_OPERATOR_TOKEN), not a certificate`;
  return [ok('tls', what)];
}

function plainText({ bindAddress, allowInsecure }: { bindAddress: string; allowInsecure: boolean }): Finding {
  if (!allowInsecure) return ok('tls', `plain text, for this machine only (${bindAddress})`);
  return warn(
    'tls',
    'plain text (FN_ALLOW_INSECURE): anyone who can reach the ports of this node can use it',
    'create certificates with fnfleet certs fleet; see docs/security.md',
  );
}

function renewal(endsFirst: keyof TlsFiles): string {
  return endsFirst === 'ca' ? 'fnfleet certs rotate-ca' : 'fnfleet certs renew';
}

/** Matches names as TLS does: a wildcard stands for one label. */
function matches(name: string, host: string): boolean {
  const [wanted, given] = [host.toLowerCase(), name.toLowerCase()];
  if (wanted === given) return true;
  return isIP(host) === 0 && given.startsWith('*.') && given.slice(1) === wanted.slice(wanted.indexOf('.'));
}
