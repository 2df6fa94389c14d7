import { z } from 'zod';
import type { WallMs } from '../clock.js';
import { FnError } from '../errors/fn-error.js';
import { type App, appToJson, completeApp } from '../models/app.js';
import { ASYNC_ANNOTATION, ASYNC_SCHEMA } from '../models/async-policy.js';
import { mergeAnnotations, mergeConfig } from '../models/maps.js';
import { revised } from '../models/revision.js';
import { ASYNC_RULE, annotationsField } from './annotations.js';
import { checkConfigKeys, configField, configOf } from './config.js';
import { nameRules, WORD } from './names.js';
import { checkResource, dateOf, oneOf, type Rule, readBody, ruled, serverDate, text } from './rules.js';

export const SHAPES = ['', 'GENERIC_X86', 'GENERIC_ARM', 'GENERIC_X86_ARM'];
const MAX_URL_BYTES = 2048;
const SYSLOG_SCHEMES = ['tcp', 'udp', 'unix', 'unixgram', 'tcp+tls'];

const SYSLOG_RULE: Rule<string> = {
  code: 'syslogUrlInvalid',
  violation(url) {
    if (url === '') return undefined;
    if (Buffer.byteLength(url) > MAX_URL_BYTES) {
      return { url: `${url.slice(0, 100)}…`, reason: `longer than ${MAX_URL_BYTES} bytes` };
    }
    const scheme = /^([^:/?#]+):/.exec(url.trimStart())?.[1]?.toLowerCase() ?? '';
    if (!SYSLOG_SCHEMES.includes(scheme)) {
      return { url, reason: `invalid scheme, only [${SYSLOG_SCHEMES.join(', ')}] are supported` };
    }
    if (url.includes('\0')) return { url, reason: 'it contains NUL' };
    return URL.canParse(url.trim()) ? undefined : { url, reason: 'not a URL' };
  },
  says: { maxLength: MAX_URL_BYTES, 'x-max-bytes': MAX_URL_BYTES },
};

/** An app in requests and responses. Fields are in the order of their checks. */
export const appSchema = z
  .object({
    name: text(nameRules(WORD, { missing: 'missingName', tooLong: 'appNameTooLong', invalid: 'appNameInvalid' }), {
      description: 'Unique; never changes. Letters and numbers of any script, `_` and `-`; at most 255 bytes of UTF-8.',
      examples: ['shop'],
    }),
    config: configField('Environment variables of all its functions.'),
    annotations: annotationsField('Facts about the app, for people and tools; sent with its calls.', [
      { ...ASYNC_RULE, says: { properties: { [ASYNC_ANNOTATION]: ASYNC_SCHEMA } } },
    ]),
    syslog_url: ruled(z.string(), [SYSLOG_RULE], {
      description: `Where the logs of its functions are sent, by ${SYSLOG_SCHEMES.join(', ')}. The empty text removes it.`,
      examples: ['tcp://logs.example.com:514'],
    }),
    shape: text([oneOf(SHAPES, 'appShapeInvalid')], {
      description: 'Processor architectures of its functions. Never changes: ignored in a change.',
      examples: ['GENERIC_X86'],
    }),
    id: text([], { description: 'Chosen by the server.', readOnly: true, examples: ['01D1ZVPBKV180G40RZJ0000001'] }),
    created_at: serverDate('When it was created.'),
    updated_at: serverDate('When it last changed.'),
  })
  .partial()
  .meta({ description: 'A group of functions that share configuration. HTTP triggers are found under its name.' });

/** An app as a client sends it. */
export type AppBody = z.input<typeof appSchema>;

/** The fields of an app that a client sent. Undefined means "not given". */
export type AppInput = Partial<App>;

/** @throws FnError `invalidJson` */
export function parseAppInput(json: string): AppInput {
  const { config, syslog_url, created_at, updated_at, ...same } = readBody(appSchema, json);
  return {
    ...same,
    config: configOf(config),
    syslogUrl: syslog_url,
    createdAt: dateOf(created_at),
    updatedAt: dateOf(updated_at),
  };
}

/**
 * Creates an app from what a client sent.
 * @throws FnError for the first problem
 */
export function newApp(input: AppInput, id: string, now: WallMs): App {
  if (input.id) throw new FnError('appIdProvided');
  const app: App = { ...completeApp(input), id, createdAt: now, updatedAt: now };
  checkConfigKeys(input.config);
  checkResource(appSchema, appToJson(app));
  return app;
}

/**
 * Applies a change to an app: maps are merged key by key, a `syslog_url` replaces, and the rest never changes.
 * @throws FnError as for a new app, and `appNameImmutable`
 */
export function changedApp(current: App, change: AppInput, now: WallMs): App {
  if (change.name && change.name !== current.name) throw new FnError('appNameImmutable');
  const next: App = {
    ...current,
    config: mergeConfig(current.config, change.config),
    annotations: mergeAnnotations(current.annotations, change.annotations),
    syslogUrl: change.syslogUrl ?? current.syslogUrl,
  };
  checkConfigKeys(change.config);
  checkResource(appSchema, appToJson(next));
  return revised(current, next, (app) => JSON.stringify(appToJson(app)), now);
}
