import { epochMs, systemClock } from '@fnfleet/core';
import type { Fetch } from '../../access/secure-fetch.js';
import { ask, RefusedError } from '../ask.js';
import { ANYTHING } from '../fleet-answer.js';
import { shownSkew } from '../quantities.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** What `Date` of an answer tells is whole seconds. */
const MAX_SKEW_MS = 2500;
const REMEDY = 'see to it that it runs, that its port is open to here, and that FN_RUNNER_API_URL is right';

/** The api node that a balancer looks functions up at, and whether it lets the balancer in. */
export async function checkApi(given: string, fetch: Fetch, mustBeSecure: boolean): Promise<Finding[]> {
  const url = (given.includes('://') ? given : `http://${given}`).replace(/(?<!\/)\/+$/, '');
  if (mustBeSecure && url.startsWith('http:')) {
    return [
      fail('api', `${url} is plain text, in a fleet with TLS`, 'FN_RUNNER_API_URL=https://…, or FN_ALLOW_INSECURE=1'),
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
          `${url} does not let us in: ${error.message}`,
          'FN_OPERATOR_TOKEN, or a certificate that it allows (FN_TLS_ALLOWED_NAMES)',
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
    warn('clock', `that of ${url} is ${shownSkew(Math.round(skewMs))} off ours`, 'let NTP set both (timedatectl)'),
  ];
}
