import { formatDate } from '../dates.js';
import { FnError } from '../errors/fn-error.js';
import { formatCpus, parseCpus } from '../units.js';
import type { Call, CallStatus, CallType } from './call.js';
import { Fields } from './fields.js';

/** Raised when `models_call_json` does not describe a call. The wire reports it with error code 0. */
export class CallDecodeError extends Error {
  override readonly name = 'CallDecodeError';
}

/** The JSON of a call as peers expect it: empty fields left out, dates never, `cpus` as text. */
export function encodeCall(call: Call): string {
  return JSON.stringify({
    id: call.id,
    status: call.status,
    image: call.image || undefined,
    type: call.type,
    url: call.url || undefined,
    method: call.method || undefined,
    timeout: call.timeoutSeconds || undefined,
    idle_timeout: call.idleTimeoutSeconds || undefined,
    tmpfs_size: call.tmpfsMb || undefined,
    memory: call.memoryMb || undefined,
    cpus: formatCpus(call.cpuMillis) || undefined,
    config: nonEmpty(call.config),
    annotations: nonEmpty(call.annotations),
    headers: nonEmpty(call.headers),
    syslog_url: call.syslogUrl || undefined,
    completed_at: formatDate(call.completedAt),
    created_at: formatDate(call.createdAt),
    started_at: formatDate(call.startedAt),
    error: call.error || undefined,
    app_id: call.appId,
    app_name: call.appName,
    trigger_id: call.triggerId,
    fn_id: call.fnId,
  });
}

/**
 * Reads a peer's call. Unknown keys are ignored, `null` is absence, keys match in any case, as in the original.
 * @throws CallDecodeError on malformed JSON or a field of the wrong type
 * @throws FnError `invalidJson` when `cpus` is a number, `invalidCpus` when it is out of range
 */
export function decodeCall(json: string): Call {
  const fields = parseFields(json);
  return {
    id: fields.text('id') ?? '',
    image: fields.text('image') ?? '',
    // Types that this release does not know run as sync.
    type: fields.text('type') === 'detached' ? 'detached' : ('sync' satisfies CallType),
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
