import { formatDate, parseDate } from '../dates.js';
import { FnError } from '../errors/fn-error.js';
import { canonicalHeader, type HeaderMap } from '../headers.js';
import { formatCpus, parseCpus } from '../units.js';
import type { Annotations, Call, CallStatus, CallType, Config } from './call.js';

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
    id: fields.text('id'),
    image: fields.text('image'),
    // Types that this release does not know run as sync.
    type: fields.text('type') === 'detached' ? 'detached' : ('sync' satisfies CallType),
    fnId: fields.text('fn_id'),
    appId: fields.text('app_id'),
    appName: fields.text('app_name'),
    triggerId: fields.text('trigger_id'),
    method: fields.text('method'),
    url: fields.text('url'),
    headers: fields.headers('headers'),
    config: fields.config('config'),
    annotations: fields.annotations('annotations'),
    syslogUrl: fields.text('syslog_url'),
    timeoutSeconds: fields.whole('timeout'),
    idleTimeoutSeconds: fields.whole('idle_timeout'),
    memoryMb: fields.whole('memory'),
    tmpfsMb: fields.whole('tmpfs_size'),
    cpuMillis: fields.cpus('cpus'),
    status: (fields.text('status') || 'queued') as CallStatus,
    createdAt: fields.date('created_at'),
    startedAt: fields.date('started_at'),
    completedAt: fields.date('completed_at'),
  };
}

function parseFields(json: string): FieldReader {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new CallDecodeError((error as Error).message);
  }
  if (!isObject(value)) throw new CallDecodeError(`a call is a JSON object, not ${describe(value)}`);
  return new FieldReader(value);
}

class FieldReader {
  private folded: Record<string, unknown> | undefined;

  constructor(private readonly fields: Record<string, unknown>) {}

  text(name: string): string {
    const value = this.get(name) ?? '';
    return typeof value === 'string' ? value : this.fail(name, 'text', value);
  }

  whole(name: string): number {
    const value = this.get(name) ?? 0;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail(name, 'a whole number', value);
  }

  date(name: string): number | undefined {
    const text = this.get(name);
    if (text === undefined || text === null) return undefined;
    if (typeof text !== 'string') return this.fail(name, 'a date', text);
    try {
      return parseDate(text);
    } catch {
      return this.fail(name, 'a date', text);
    }
  }

  cpus(name: string): number {
    const value = this.get(name) ?? '';
    if (typeof value !== 'string') throw new FnError('invalidJson');
    const millis = parseCpus(value);
    if (millis === undefined) throw new FnError('invalidCpus');
    return millis;
  }

  config(name: string): Config {
    const object = this.object(name);
    for (const [key, value] of Object.entries(object)) {
      if (typeof value !== 'string') this.fail(`${name}.${key}`, 'text', value);
    }
    return object as Config;
  }

  annotations(name: string): Annotations {
    return this.object(name);
  }

  headers(name: string): HeaderMap {
    const headers: HeaderMap = {};
    for (const [key, values] of Object.entries(this.object(name))) {
      if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) {
        this.fail(`${name}.${key}`, 'a list of texts', values);
      }
      headers[canonicalHeader(key)] = values as string[];
    }
    return headers;
  }

  private object(name: string): Record<string, unknown> {
    const value = this.get(name) ?? {};
    return isObject(value) ? value : this.fail(name, 'an object', value);
  }

  private get(name: string): unknown {
    const exact = this.fields[name];
    if (exact !== undefined) return exact;
    this.folded ??= Object.fromEntries(Object.entries(this.fields).map(([key, value]) => [key.toLowerCase(), value]));
    return this.folded[name];
  }

  private fail(name: string, expected: string, value: unknown): never {
    throw new CallDecodeError(`call field ${name}: expected ${expected}, got ${describe(value)}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
}

function nonEmpty<T extends object>(map: T): T | undefined {
  for (const _ in map) return map;
  return undefined;
}
