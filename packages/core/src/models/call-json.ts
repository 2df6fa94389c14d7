import { formatDate } from '../dates.js';
import { FnError } from '../errors/fn-error.js';
import { formatCpus, parseCpus } from '../units.js';
import type { Call, CallStatus, CallType } from './call.js';
import { Fields } from './fields.js';

/** Thrown when `models_call_json` does not describe a call. The wire reports it with error code 0. */
export class CallDecodeError extends Error {
  override readonly name = 'CallDecodeError';
}

/** The part that all calls of a function share, unless somebody changes a call. */
export type CommonFields = Pick<
  Call,
  | 'image'
  | 'config'
  | 'annotations'
  | 'syslogUrl'
  | 'timeoutSeconds'
  | 'idleTimeoutSeconds'
  | 'memoryMb'
  | 'tmpfsMb'
  | 'cpuMillis'
  | 'appId'
  | 'appName'
  | 'fnId'
>;

/** Keyed by `config`, which must not change after it was encoded. */
const shared = new WeakMap<Call['config'], { readonly of: CommonFields; json: string }>();

/** Encodes the shared part once, with the first call. Freezes `config` and `annotations`. */
export function encodeOnce(of: CommonFields): void {
  Object.freeze(of.config);
  Object.freeze(of.annotations);
  shared.set(of.config, { of, json: '' });
}

/** The JSON of a call as peers expect it: without empty fields and dates, and with `cpus` as text. */
export function encodeCall(call: Call): string {
  const common = shared.get(call.config);
  if (common === undefined || !isUnchanged(call, common.of)) return encodeWhole(call);
  if (common.json === '') common.json = JSON.stringify(commonJson(common.of)).slice(1);
  // One object in two halves. The second always has members, because ids are never omitted.
  return `${JSON.stringify(ownJson(call)).slice(0, -1)},${common.json}`;
}

function isUnchanged(call: Call, of: CommonFields): boolean {
  return (
    call.annotations === of.annotations &&
    call.image === of.image &&
    call.timeoutSeconds === of.timeoutSeconds &&
    call.idleTimeoutSeconds === of.idleTimeoutSeconds &&
    call.memoryMb === of.memoryMb &&
    call.tmpfsMb === of.tmpfsMb &&
    call.cpuMillis === of.cpuMillis &&
    call.syslogUrl === of.syslogUrl &&
    call.appId === of.appId &&
    call.appName === of.appName &&
    call.fnId === of.fnId
  );
}

function encodeWhole(call: Call): string {
  return JSON.stringify({ ...ownJson(call), ...commonJson(call) });
}

/** The part that is specific to each call. */
function ownJson(call: Call) {
  return {
    id: call.id,
    status: call.status,
    type: call.type,
    url: call.url || undefined,
    method: call.method || undefined,
    headers: nonEmpty(call.headers),
    completed_at: formatDate(call.completedAt),
    created_at: formatDate(call.createdAt),
    started_at: formatDate(call.startedAt),
    error: call.error || undefined,
    trigger_id: call.triggerId,
  };
}

function commonJson(of: CommonFields) {
  return {
    image: of.image || undefined,
    timeout: of.timeoutSeconds || undefined,
    idle_timeout: of.idleTimeoutSeconds || undefined,
    tmpfs_size: of.tmpfsMb || undefined,
    memory: of.memoryMb || undefined,
    cpus: formatCpus(of.cpuMillis) || undefined,
    config: nonEmpty(of.config),
    annotations: nonEmpty(of.annotations),
    syslog_url: of.syslogUrl || undefined,
    app_id: of.appId,
    app_name: of.appName,
    fn_id: of.fnId,
  };
}

/**
 * Reads a call from a peer. As in Fn, unknown keys are ignored, `null` means absent, and keys match in any case.
 * @throws CallDecodeError on malformed JSON or a field of the wrong type
 * @throws FnError `invalidJson` if `cpus` is a number, `invalidCpus` if it is out of range
 */
export function decodeCall(json: string): Call {
  const fields = parseFields(json);
  return {
    id: fields.text('id') ?? '',
    image: fields.text('image') ?? '',
    type: typeOf(fields.text('type')),
    fnId: fields.text('fn_id') ?? '',
    appId: fields.text('app_id') ?? '',
    appName: fields.text('app_name') ?? '',
    triggerId: fields.text('trigger_id') ?? '',
    method: fields.text('method') ?? '',
    url: fields.text('url') ?? '',
    headers: fields.headers('headers') ?? {},
    config: fields.config('config') ?? {},
    annotations: fields.annotations('annotations') ?? {},
    syslogUrl: fields.text('syslog_url') ?? '',
    timeoutSeconds: fields.whole('timeout', 0, INT32_MAX) ?? 0,
    idleTimeoutSeconds: fields.whole('idle_timeout', 0, INT32_MAX) ?? 0,
    memoryMb: fields.whole('memory', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    tmpfsMb: fields.whole('tmpfs_size', 0, UINT32_MAX) ?? 0,
    cpuMillis: decodeCpus(fields.raw('cpus')),
    status: (fields.text('status') || 'queued') as CallStatus,
    createdAt: fields.date('created_at'),
    startedAt: fields.date('started_at'),
    completedAt: fields.date('completed_at'),
  };
}

/** Types that this release does not know run as sync. */
function typeOf(text: string | undefined): CallType {
  return text === 'detached' || text === 'async' ? text : 'sync';
}

function parseFields(json: string): Fields {
  const problem = (reason: string) => new CallDecodeError(`call: ${reason}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw problem((error as Error).message);
  }
  return new Fields(value, problem);
}

function decodeCpus(value: unknown = ''): number {
  if (typeof value !== 'string') throw new FnError('invalidJson');
  const millis = parseCpus(value);
  if (millis === undefined) throw new FnError('invalidCpus');
  return millis;
}

const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;

function nonEmpty<T extends object>(map: T): T | undefined {
  for (const _ in map) return map;
  return undefined;
}
