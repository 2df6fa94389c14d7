import { epochMs, systemClock } from '@fnfleet/core';
import type { DiscoverySettings } from '@fnfleet/discovery';
import { type ApiAddresses, apiAddresses } from '@fnfleet/lb-agent';
import { ANYTHING } from '@fnfleet/operator-api';
import type { Fetch } from '../../access/secure-fetch.js';
import { shownSkew } from '../../terminal/output.js';
import { ask, RefusedError } from '../ask.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Limit for a clock skew that is read from a `Date` header, which has whole seconds only. Milliseconds. */
const MAX_SKEW_MS = 2500;
const REMEDY = 'check that it is running, that its port is reachable from here, and that FN_RUNNER_API_URL is correct';

/** Time limit for the list of a pool, milliseconds. */
const LIST_MS = 5000;

export interface ApiCheckOptions {
  readonly fetch: Fetch;
  /** The fleet uses TLS. */
  readonly hasTls?: boolean;
  /** With TLS: allow an API node without TLS. */
  readonly allowInsecure?: boolean;
  /** For a pool URL. */
  readonly settings?: Partial<DiscoverySettings>;
}

/** Checks the API nodes at which a balancer looks functions up, and whether they accept the balancer. */
export async function checkApi(given: string, options: ApiCheckOptions): Promise<Finding[]> {
  const { fetch, hasTls: tls = false, allowInsecure, settings = {} } = options;
  const addresses = apiAddresses(given, { tls, allowInsecure }, settings);
  const listed = await firstList(addresses);
  if (typeof listed === 'string') {
    return [
      fail('api', `${addresses.description} lists no API nodes: ${listed}`, 'check FN_RUNNER_API_URL and its source'),
    ];
  }
  if (listed.length === 0)
    return [fail('api', `${addresses.description} lists no API nodes`, 'start one, or list it there')];
  const findings = await Promise.all(
    listed.map((entry) => {
      try {
        return checkNode(addresses.urlOf(entry).origin, fetch);
      } catch (error) {
        return [fail('api', `${entry} is not the address of an API node: ${(error as Error).message}`, 'correct it')];
      }
    }),
  );
  return findings.flat();
}

/** @returns the entries, or why there are none */
async function firstList({ source }: ApiAddresses): Promise<readonly string[] | string> {
  const { promise, resolve } = Promise.withResolvers<readonly string[] | string>();
  const timer = systemClock.after(LIST_MS, () => resolve(`no answer for ${LIST_MS} ms`));
  source.start({ onMembers: resolve, onFailure: (error) => resolve(error.message) });
  try {
    return await promise;
  } finally {
    timer.cancel();
    await source.close();
  }
}

async function checkNode(url: string, fetch: Fetch): Promise<Finding[]> {
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
