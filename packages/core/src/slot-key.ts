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
 * Which hot containers may serve a call: SHA-256 over everything that shapes a container, as lower-case hex.
 * Text is UTF-8 and ends in a zero byte; integers are little-endian; map keys are in ascending byte order.
 * The layout is the original's, so that a slot hash computed by a peer means the same container here.
 *
 * @param extension what the driver adds to the key; empty for all built-in drivers
 */
export function slotKey(call: SlotKeyFields, extension = ''): string {
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
  // In one go: this runs for every call, and a hash object costs several times what hashing does.
  return hash('sha256', Buffer.concat([identity, limits, Buffer.from(maps)]));
}

/** UTF-16 order differs from byte order only beyond the basic plane, so the plain sort is tried first. */
function byteSorted(map: object): string[] {
  const keys = Object.keys(map);
  if (keys.length < 2) return keys;
  return keys.some((key) => /[\ud800-\udfff]/.test(key))
    ? keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    : keys.sort();
}
