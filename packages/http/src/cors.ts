import type { IncomingMessage, ServerResponse } from 'node:http';
import { canonicalHeader, SettingsError } from '@fnfleet/core';
import { sendEmpty } from './answers.js';

/** Applies CORS to one request. True: the request has been answered and goes no further. */
export type CorsPolicy = (req: IncomingMessage, res: ServerResponse) => boolean;

/** All that a trigger serves and a page may send. */
const METHODS = 'GET,POST,PUT,PATCH,HEAD,DELETE,OPTIONS';
const MAX_AGE_SECONDS = 43_200;

/**
 * @param origins empty: requests pass untouched. A first item of `*` allows every origin.
 * @throws SettingsError when an origin is not a web origin
 */
export function newCorsPolicy(origins: readonly string[], headers: readonly string[]): CorsPolicy {
  if (origins.length === 0) return () => false;
  const { everyone, allows } = newAllowedOrigins(origins);
  const allowedHeaders = headers.map(canonicalHeader).join(',');

  return (req, res) => {
    const { origin, host = '' } = req.headers;
    if (!origin) return false;
    if (!allows(origin)) {
      // A page of this very node: browsers send their origin with every POST.
      if (isSameHost(origin, host)) return false;
      sendEmpty(res, 403);
      return true;
    }
    const preflight = req.method === 'OPTIONS';
    res.setHeader('Access-Control-Allow-Origin', everyone ? '*' : origin);
    if (!everyone) res.setHeader('Vary', preflight ? PREFLIGHT_VARY : 'Origin');
    if (!preflight) return false;
    res.setHeader('Access-Control-Allow-Methods', METHODS);
    res.setHeader('Access-Control-Allow-Headers', allowedHeaders);
    res.setHeader('Access-Control-Max-Age', MAX_AGE_SECONDS);
    sendEmpty(res, 200);
    return true;
  };
}

export interface AllowedOrigins {
  readonly everyone: boolean;
  allows(origin: string): boolean;
}

/** @throws SettingsError when an origin is not a web origin */
export function newAllowedOrigins(origins: readonly string[]): AllowedOrigins {
  if (origins[0] === '*') return { everyone: true, allows: () => true };
  const allowed = new Set(origins.map(webOrigin));
  return { everyone: false, allows: (origin) => allowed.has(origin) };
}

/** Ports included; the origin's scheme says which one goes without saying. */
export function isSameHost(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  return page !== null && page.host !== '' && page.host === URL.parse(`${page.protocol}//${host}`)?.host;
}

/** The answer to a preflight depends on all three. */
const PREFLIGHT_VARY = ['Origin', 'Access-Control-Request-Method', 'Access-Control-Request-Headers'];

function webOrigin(origin: string): string {
  const lower = origin.toLowerCase();
  if (/^https?:\/\//.test(lower)) return lower;
  throw new SettingsError([`FN_API_CORS_ORIGINS: expected http:// or https:// origins, got ${JSON.stringify(origin)}`]);
}
