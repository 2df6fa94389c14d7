import { FnError } from '../errors/fn-error.js';
import { KIB } from '../units.js';
import type { Config } from './call.js';

/**
 * Size limit for the JSON of one configuration. The configurations of an app and its function are sent with each call, in one
 * message with its headers, and together must stay far below the message limit of 4 MiB.
 */
const MAX_BYTES = 64 * KIB;
const MAX_KEYS = 1000;
/** How many characters of an invalid key are shown. */
const MAX_SHOWN = 100;

/**
 * Checks the configuration of an app or a function.
 * @throws FnError `config…`
 */
export function validateConfig(config: Config): void {
  if (Object.keys(config).length > MAX_KEYS) throw new FnError('configTooManyKeys');
  const json = JSON.stringify(config);
  if (Buffer.byteLength(json) > MAX_BYTES) throw new FnError('configTooLarge');
  // Keys and values become the environment of a process, where NUL ends a text.
  const texts = Object.entries(config).flat();
  if (texts.some((text) => text.includes('\0'))) throw new FnError('configHasNul');
}

/**
 * Checks a configuration sent by a client. Keys stored by earlier releases stay valid, and an empty value removes a key.
 * @throws FnError `configKeyInvalid`
 */
export function validateConfigInput(config: Config | undefined): void {
  for (const [key, value] of Object.entries(config ?? {})) {
    if (value !== '' && (key === '' || key.includes('='))) {
      throw new FnError('configKeyInvalid', { params: { key: JSON.stringify(key.slice(0, MAX_SHOWN)) } });
    }
  }
}
