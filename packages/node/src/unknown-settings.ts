import { type Environment, type Logger, printableLine } from '@fnfleet/core';
import leven from 'leven';
import { FORMER_NAMES, VARIABLE_NAMES } from './variable-names.js';

const PREFIX = 'FN_';
/** Maximum number of unknown settings that are reported. */
const MAX_NAMED = 20;
const KNOWN: ReadonlySet<string> = new Set(VARIABLE_NAMES);
/** Kubernetes sets such a variable for each service; its other variables have the same prefix. */
const SERVICE_HOST = '_SERVICE_HOST';

/** Settings of Fn that have no effect here. Similar names of fnfleet mean something else. */
const OF_FN: ReadonlySet<string> = new Set([
  'FN_ASYNC_CHEW_POLL_MSECS',
  'FN_DS_DB_PING_MAX_RETRIES',
  'FN_HOT_POLL_MSECS',
  'FN_LOG_DEST',
  'FN_LOG_PREFIX',
  'FN_LOGSTORE_URL',
  'FN_PROCESS_COLLECTOR_LIST',
]);
/** Variables of the `fn` command line. */
const OF_THE_FN_COMMAND: ReadonlySet<string> = new Set(['FN_CONTEXT', 'FN_INVOKE_ENDPOINT_CACHE_TTL']);

/** A variable that looks like a setting and is none. */
export interface UnknownSetting {
  readonly name: string;
  /** The setting that was probably meant, or why this one has no effect. */
  readonly hint: string;
}

/**
 * Variables that begin with FN_ and that nothing reads, at most twenty. Empty ones are ignored; other values do not
 * matter.
 */
export function unknownSettings(env: Environment): readonly UnknownSetting[] {
  const all = Object.keys(env).filter((name) => name.startsWith(PREFIX) && env[name]?.trim());
  const services = all.flatMap((name) => (name.endsWith(SERVICE_HOST) ? [name.slice(0, -SERVICE_HOST.length)] : []));
  const names = all.filter((name) => !isKnown(name) && !services.some((service) => isOf(service, name)));
  return names
    .sort()
    .slice(0, MAX_NAMED)
    .map((name) => ({ name: printableLine(name, 100), hint: hintFor(name) }));
}

/** A setting given under its former name. */
export interface FormerSetting {
  readonly name: string;
  /** The current name, with `_FILE` if it was given that way. */
  readonly use: string;
}

/** Variables that are set and whose names are former ones; they still take effect. */
export function formerSettings(env: Environment): readonly FormerSetting[] {
  return Object.entries(FORMER_NAMES).flatMap(([former, current]) =>
    ['', '_FILE'].flatMap((suffix) =>
      env[former + suffix]?.trim() ? [{ name: former + suffix, use: current + suffix }] : [],
    ),
  );
}

/**
 * Logs a warning for each unknown setting and each one with a former name. A typing error must not stop a node that
 * worked before.
 */
export function warnOfSettingNames(env: Environment, logger: Logger): void {
  for (const { name, hint } of unknownSettings(env)) logger.warn('unknown setting has no effect', { name, hint });
  for (const { name, use } of formerSettings(env)) {
    logger.warn('setting was renamed; the former name is accepted until the next release', { name, use });
  }
}

function isKnown(name: string): boolean {
  if (OF_THE_FN_COMMAND.has(name)) return true;
  const setting = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : name;
  return (
    KNOWN.has(name) || KNOWN.has(setting) || Object.hasOwn(FORMER_NAMES, name) || Object.hasOwn(FORMER_NAMES, setting)
  );
}

function isOf(service: string, name: string): boolean {
  return name.startsWith(`${service}_SERVICE_`) || name.startsWith(`${service}_PORT`);
}

function hintFor(name: string): string {
  if (OF_FN.has(name)) return 'a setting of Fn, see docs/moving-from-fn.md';
  const nearest = nearestName(name, KNOWN);
  return nearest === undefined ? 'fnfleet node --help lists all settings' : `did you mean ${nearest}?`;
}

/** Maximum characters of a name that are compared: names in files and environments may have any length. */
const MAX_LENGTH = 100;

/** Names with more edits than this count as unrelated, whatever their length. */
const MOST_EDITS = 3;

/**
 * The known name that a mistyped one probably meant: the one with the fewest edits, if those are few for its length.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const written = name.slice(0, MAX_LENGTH).toLowerCase();
  let nearest: string | undefined;
  let fewest = Math.min(MOST_EDITS, Math.max(1, Math.floor(written.length / 3)));
  for (const candidate of known) {
    // The difference in length alone exceeds the limit.
    if (Math.abs(candidate.length - written.length) > fewest) continue;
    const edits = leven(written, candidate.toLowerCase());
    if (edits < fewest || (edits === fewest && nearest === undefined)) [nearest, fewest] = [candidate, edits];
  }
  return nearest;
}
