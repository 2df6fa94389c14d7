import { epochMs, systemClock } from '@fnfleet/core';
import { ANYTHING } from '@fnfleet/operator-api';
import type { Fetch } from '../../access/secure-fetch.js';
import { ask, RefusedError } from '../ask.js';
import { shownSkew } from '../quantities.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Limit for a clock skew that is read from a `Date` header, which has whole seconds only. Milliseconds. */
const MAX_SKEW_MS = 2500;
const REMEDY = 'check that it is running, that its port is reachable from here, and that FN_RUNNER_API_URL is correct';

/** Checks the API node at which a balancer looks functions up, and whether it accepts the balancer. */
export async function checkApi(given: string, fetch: Fetch, mustBeSecure: boolean): Promise<Finding[]> {
  const url = (given.includes('://') ? given : `http://${given}`).replace(/(?<!\/)\/+$/, '');
  if (mustBeSecure && url.startsWith('http:')) {
    return [
      fail(
        'api',
        `${url} is plain text, in a fleet with TLS`,
        'set FN_RUNNER_API_URL=https://…, or FN_ALLOW_INSECURE=1',
      ),
    ];
  }
  let date: string | null = null;
  const dated: Fetch = async (target, options) => {
    const response = await fetch(target, options);
    date = response.headers.get('date');
    return response;
  };
  try {
    await ask(dated, `${url}/v2/apps?per_page=1`, ANYTHING);
  } catch (error) {
    if (error instanceof RefusedError && error.isForbidden) {
      return [
        fail(
          'api',
          `${url} refuses this node: ${error.message}`,
          'set FN_OPERATOR_TOKEN, or use a certificate that it allows (FN_TLS_ALLOWED_NAMES)',
        ),
      ];
    }
    return [fail('api', (error as Error).message, REMEDY)];
  }
  return [ok('api', `${url} answers`), ...clockOf(url, date)];
}

function clockOf(url: string, date: string | null): Finding[] {
  const skewMs = date === null ? Number.NaN : Date.parse(date) + 500 - epochMs(systemClock.wallNow());
  if (Number.isNaN(skewMs) || Math.abs(skewMs) < MAX_SKEW_MS) return [];
  return [
    warn(
      'clock',
      `the clock of ${url} differs by ${shownSkew(Math.round(skewMs))} from this one`,
      'synchronize both with NTP (timedatectl)',
    ),
  ];
}
