import { FnError } from '../errors/fn-error.js';
import { KIB } from '../units.js';
import type { Config } from './call.js';

/**
 * Of the JSON of one configuration. Those of an app and its function travel with each call, in one message with its headers:
 * together they have to stay far below the 4 MiB that a message may have.
 */
const MAX_BYTES = 64 * KIB;
const MAX_KEYS = 1000;
/** Characters of a wrong key. */
const MAX_SHOWN = 100;

/**
 * What the configuration of an app or a function has to keep to.
 * @throws FnError `config…`
 */
export function validateConfig(config: Config): void {
  if (Object.keys(config).length > MAX_KEYS) throw new FnError('configTooManyKeys');
  const json = JSON.stringify(config);
  if (Buffer.byteLength(json) > MAX_BYTES) throw new FnError('configTooLarge');
  // Its keys and values become the environment of a process, where that is the end of a text.
  const texts = Object.entries(config).flat();
  if (texts.some((text) => text.includes('\0'))) throw new FnError('configHasNul');
}

/**
 * What a client says of a configuration. Keys that a database has of before stay, and an empty value takes them away.
 * @throws FnError `configKeyInvalid`
 */
export function validateConfigInput(config: Config | undefined): void {
  for (const [key, value] of Object.entries(config ?? {})) {
    if (value !== '' && (key === '' || key.includes('='))) {
      throw new FnError('configKeyInvalid', { params: { key: JSON.stringify(key.slice(0, MAX_SHOWN)) } });
    }
  }
}
