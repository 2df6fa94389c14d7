import { z } from 'zod';
import { FnError } from '../errors/fn-error.js';
import type { Config } from '../models/call.js';
import { KIB } from '../units.js';
import { type Rule, rule, ruled } from './rules.js';

/**
 * Size limit for the JSON of one configuration. The configurations of an app and its function are sent with each call, in one
 * message with its headers, and together must stay far below the message limit of 4 MiB.
 */
const MAX_BYTES = 64 * KIB;
const MAX_KEYS = 1000;
/** How many characters of an invalid key are shown. */
const MAX_SHOWN = 100;

/** As clients send it: `null` is read as the empty text. */
export type ConfigBody = Record<string, string | null>;

const RULES: Rule<ConfigBody>[] = [
  rule('configTooManyKeys', (config) => Object.keys(config).length <= MAX_KEYS, { maxProperties: MAX_KEYS }),
  rule('configTooLarge', (config) => Buffer.byteLength(JSON.stringify(config)) <= MAX_BYTES, {
    'x-max-json-bytes': MAX_BYTES,
  }),
  // Keys and values become the environment of a process, where NUL ends a text.
  rule('configHasNul', (config) => !Object.entries(config).flat().some(hasNul)),
];

export function configField(description: string) {
  return ruled(z.record(z.string(), z.string().nullable()), RULES, {
    description: `${description} A change is merged key by key, and an empty value removes its key.`,
    examples: [{ LOG_LEVEL: 'debug' }],
    // By checkConfigKeys.
    'x-errors': ['configKeyInvalid'],
  });
}

export function configOf(body: ConfigBody | undefined): Config | undefined {
  if (body === undefined) return undefined;
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, value ?? '']));
}

/**
 * Checks a configuration sent by a client. Keys stored by earlier releases stay valid, and an empty value removes a key.
 * @throws FnError `configKeyInvalid`
 */
export function checkConfigKeys(config: Config | undefined): void {
  for (const [key, value] of Object.entries(config ?? {})) {
    if (value !== '' && (key === '' || key.includes('='))) {
      throw new FnError('configKeyInvalid', { params: { key: JSON.stringify(key.slice(0, MAX_SHOWN)) } });
    }
  }
}

function hasNul(text: string | null): boolean {
  return text?.includes('\0') ?? false;
}
