import { hash } from 'node:crypto';
import type { Call } from './models/call.js';

type SlotKeyFields = Pick<
  Call,
  | 'appId'
  | 'syslogUrl'
  | 'fnId'
  | 'image'
  | 'timeoutSeconds'
  | 'idleTimeoutSeconds'
  | 'tmpfsMb'
  | 'memoryMb'
  | 'cpuMillis'
  | 'config'
  | 'annotations'
>;

/**
 * Identifies the hot containers that may serve a call: SHA-256, in lower-case hex, over everything that shapes a container.
 * Text is UTF-8 and ends with a zero byte; integers are little-endian; map keys are in ascending byte order.
 * The layout is that of Fn, so that a slot hash computed by a peer means the same container here.
 *
 * @param extension what the driver adds to the key; empty for the built-in drivers
 */
export function slotKey(call: SlotKeyFields, extension = ''): string {
  const last = recent.get(call.fnId);
  if (last?.isOf(call, extension)) return last.key;
  const bytes = layout(call, extension);
  // In one call: a hash object costs several times as much as the hashing.
  const key = hash('sha256', bytes);
  // In insertion order: the oldest is dropped.
  recent.delete(call.fnId);
  if (bytes.length <= MAX_REMEMBERED_BYTES) recent.set(call.fnId, new KnownKey(call, extension, key));
  if (recent.size > MAX_RECENT) recent.delete(recent.keys().next().value as string);
  return key;
}

/** How many functions have their last key cached. */
const MAX_RECENT = 500;
/** Larger call models are not worth their memory. */
const MAX_REMEMBERED_BYTES = 16 * 1024;
const recent = new Map<string, KnownKey>();

/** A key and its input. Two calls of one function nearly always agree, and comparing is cheaper than hashing. */
class KnownKey {
  private readonly fields: SlotKeyFields;

  constructor(
    call: SlotKeyFields,
    private readonly extension: string,
    readonly key: string,
  ) {
    const { appId, syslogUrl, fnId, image, timeoutSeconds, idleTimeoutSeconds, tmpfsMb, memoryMb, cpuMillis } = call;
    const limits = { timeoutSeconds, idleTimeoutSeconds, tmpfsMb, memoryMb, cpuMillis };
    // Copies of the maps: those of the call belong to it, and annotations may change.
    const annotations = JSON.parse(JSON.stringify(call.annotations)) as SlotKeyFields['annotations'];
    this.fields = { appId, syslogUrl, fnId, image, ...limits, config: { ...call.config }, annotations };
  }

  isOf(call: SlotKeyFields, extension: string): boolean {
    const { fields } = this;
    return (
      fields.appId === call.appId &&
      fields.syslogUrl === call.syslogUrl &&
      fields.fnId === call.fnId &&
      fields.image === call.image &&
      fields.timeoutSeconds === call.timeoutSeconds &&
      fields.idleTimeoutSeconds === call.idleTimeoutSeconds &&
      fields.tmpfsMb === call.tmpfsMb &&
      fields.memoryMb === call.memoryMb &&
      fields.cpuMillis === call.cpuMillis &&
      this.extension === extension &&
      areEqual(fields.config, call.config) &&
      areEqual(fields.annotations, call.annotations)
    );
  }
}

function areEqual(known: object, other: object): boolean {
  const [a, b] = [known as Record<string, unknown>, other as Record<string, unknown>];
  let size = 0;
  for (const key in a) {
    size += 1;
    if (a[key] === b[key]) continue;
    // Only annotations have values other than text.
    if (typeof a[key] === 'string' || JSON.stringify(a[key]) !== JSON.stringify(b[key])) return false;
  }
  for (const _ in b) size -= 1;
  return size === 0;
}

function layout(call: SlotKeyFields, extension: string): Buffer {
  const limits = Buffer.alloc(29); // the last byte is the separator
  limits.writeUInt32LE(call.timeoutSeconds, 0);
  limits.writeUInt32LE(call.idleTimeoutSeconds, 4);
  limits.writeUInt32LE(call.tmpfsMb, 8);
  limits.writeBigUInt64LE(BigInt(call.memoryMb), 12);
  limits.writeBigUInt64LE(BigInt(call.cpuMillis), 20);

  let maps = '';
  for (const key of byteSorted(call.config)) maps += `${key}\0${call.config[key]}\0`;
  maps += '\0';
  for (const key of byteSorted(call.annotations)) maps += `${key}\0${JSON.stringify(call.annotations[key])}\0`;
  if (extension !== '') maps += `${extension}\0`;
  const identity = Buffer.from(`${call.appId}\0${call.syslogUrl}\0${call.fnId}\0${call.image}\0`);
  return Buffer.concat([identity, limits, Buffer.from(maps)]);
}

/** UTF-16 order differs from byte order only outside the basic plane, so the plain sort is tried first. */
function byteSorted(map: object): string[] {
  const keys = Object.keys(map);
  if (keys.length < 2) return keys;
  return keys.some((key) => /[\ud800-\udfff]/.test(key))
    ? keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    : keys.sort();
}
