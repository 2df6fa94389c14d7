import type { WallMs } from '../clock.js';
import { formatDate } from '../dates.js';
import { FnError } from '../errors/fn-error.js';
import { mergeAnnotations, validateAnnotations } from './annotations.js';
import { parseBody } from './body-json.js';
import type { Annotations, Config } from './call.js';
import { validateConfig, validateConfigInput } from './config.js';
import { mergeConfig, sortedOrAbsent } from './maps.js';
import { validateName, WORD } from './names.js';
import { type Dated, revised } from './revision.js';

/** A group of functions that share configuration; triggers are found under the app's name. */
export interface App extends Dated {
  id: string;
  /** Unique; never changes. */
  name: string;
  config: Config;
  annotations: Annotations;
  /** Syslog destination for its containers; empty for none. */
  syslogUrl: string;
  /** Processor architectures of its functions; empty if not given. Never changes. */
  shape: string;
}

/** The fields of an app that a client sent. Undefined means "not given". */
export type AppInput = Partial<App>;

const SHAPES = ['', 'GENERIC_X86', 'GENERIC_ARM', 'GENERIC_X86_ARM'];
const MAX_URL_BYTES = 2048;
const SYSLOG_SCHEMES = ['tcp', 'udp', 'unix', 'unixgram', 'tcp+tls'];

/** @throws FnError `invalidJson` */
export function parseAppInput(json: string): AppInput {
  const fields = parseBody(json);
  return {
    id: fields.text('id'),
    name: fields.text('name'),
    config: fields.config('config'),
    annotations: fields.annotations('annotations'),
    syslogUrl: fields.text('syslog_url'),
    shape: fields.text('shape'),
    createdAt: fields.date('created_at'),
    updatedAt: fields.date('updated_at'),
  };
}

/** Reads the app in a response of an API node. */
export function parseApp(json: string): App {
  return completeApp(parseAppInput(json));
}

/**
 * Creates an app from what a client sent.
 * @throws FnError for the first problem
 */
export function newApp(input: AppInput, id: string, now: WallMs): App {
  if (input.id) throw new FnError('appIdProvided');
  const app: App = { ...completeApp(input), id, createdAt: now, updatedAt: now };
  validateConfigInput(input.config);
  validateApp(app);
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
  validateConfigInput(change.config);
  validateApp(next);
  return revised(current, next, (app) => JSON.stringify(appToJson(app)), now);
}

/** Fields in the order that clients expect, and without those that they expect to be absent. */
export function appToJson(app: App): object {
  return {
    id: app.id,
    name: app.name,
    config: sortedOrAbsent(app.config),
    annotations: sortedOrAbsent(app.annotations),
    syslog_url: app.syslogUrl || undefined,
    created_at: formatDate(app.createdAt),
    updated_at: formatDate(app.updatedAt),
    shape: app.shape || undefined,
  };
}

function completeApp(input: AppInput): App {
  return {
    id: input.id ?? '',
    name: input.name ?? '',
    config: input.config ?? {},
    annotations: input.annotations ?? {},
    syslogUrl: input.syslogUrl ?? '',
    shape: input.shape ?? '',
    createdAt: input.createdAt,
    updatedAt: input.updatedAt,
  };
}

function validateApp(app: App): void {
  validateName(app.name, WORD, { missing: 'missingName', tooLong: 'appNameTooLong', invalid: 'appNameInvalid' });
  validateConfig(app.config);
  validateAnnotations(app.annotations);
  validateSyslogUrl(app.syslogUrl);
  if (!SHAPES.includes(app.shape)) throw new FnError('appShapeInvalid');
}

function validateSyslogUrl(url: string): void {
  if (url === '') return;
  if (Buffer.byteLength(url) > MAX_URL_BYTES) {
    const shown = `${url.slice(0, 100)}…`;
    throw new FnError('syslogUrlInvalid', { params: { url: shown, reason: `longer than ${MAX_URL_BYTES} bytes` } });
  }
  const scheme = /^([^:/?#]+):/.exec(url.trimStart())?.[1]?.toLowerCase() ?? '';
  if (!SYSLOG_SCHEMES.includes(scheme)) {
    const reason = `invalid scheme, only [${SYSLOG_SCHEMES.join(', ')}] are supported`;
    throw new FnError('syslogUrlInvalid', { params: { url, reason } });
  }
  if (!URL.canParse(url.trim())) throw new FnError('syslogUrlInvalid', { params: { url, reason: 'not a URL' } });
}
