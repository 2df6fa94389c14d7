import type { IncomingMessage, ServerResponse } from 'node:http';
import { canonicalHeader, SettingsError } from '@fnfleet/core';
import { sendEmpty } from './answers.js';

/** Applies CORS to one request. @returns true if it has sent the response, so that the request ends here */
export type CorsPolicy = (req: IncomingMessage, res: ServerResponse) => boolean;

/** The methods that a trigger serves and a page may use. */
const METHODS = 'GET,POST,PUT,PATCH,HEAD,DELETE,OPTIONS';
const MAX_AGE_SECONDS = 43_200;

/**
 * @param origins empty: CORS is off. `*` as the first item allows every origin
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
      // The page comes from this node: browsers send an origin with every POST.
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

/** Compares host and port; the scheme of the origin determines its default port. */
export function isSameHost(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  return page !== null && page.host !== '' && page.host === URL.parse(`${page.protocol}//${host}`)?.host;
}

/** Request headers that the response to a preflight depends on. */
const PREFLIGHT_VARY = ['Origin', 'Access-Control-Request-Method', 'Access-Control-Request-Headers'];

function webOrigin(origin: string): string {
  const lower = origin.toLowerCase();
  if (/^https?:\/\//.test(lower)) return lower;
  throw new SettingsError([`FN_API_CORS_ORIGINS: expected http:// or https:// origins, got ${JSON.stringify(origin)}`]);
}
