import { randomBytes } from 'node:crypto';
import type { TimeMark } from '../queue-time.js';
import { SCHEMA_VERSION } from '../sqlite/schema.js';
import { LogTrouble } from './log-trouble.js';

/** A transaction. */
export interface LogEntry {
  /** Its time; undefined if it has none. */
  readonly mark: TimeMark | undefined;
  /** In the format of SQLite's patch sets. */
  readonly changes: Uint8Array;
}

/*
 * A message of the log is a part of an entry:
 *
 *   0  version of this format   1  1 = first part, 2 = last part   2  version of the schema (2 bytes)
 *   4  id of the entry (16 bytes)   20  time of the queue, NaN if none (8 bytes)   28  wall clock (8 bytes)   36  changes
 */
const FORMAT = 1;
const FIRST = 1;
const LAST = 2;
const HEAD_BYTES = 36;
/** A transaction has 8 MiB of operations; what they change on the side is less. */
const MAX_ENTRY_BYTES = 64 * 1024 * 1024;

/** @param maxBytes of a message */
export function encodeEntry({ mark, changes }: LogEntry, maxBytes: number): Buffer[] {
  const room = maxBytes - HEAD_BYTES;
  const id = randomBytes(16);
  const parts: Buffer[] = [];
  for (let from = 0; from < changes.length || parts.length === 0; from += room) {
    const piece = changes.subarray(from, from + room);
    const part = Buffer.alloc(HEAD_BYTES + piece.length);
    part.writeUInt8(FORMAT, 0);
    part.writeUInt8((from === 0 ? FIRST : 0) | (from + room >= changes.length ? LAST : 0), 1);
    part.writeUInt16BE(SCHEMA_VERSION, 2);
    id.copy(part, 4);
    part.writeDoubleBE(mark?.at ?? Number.NaN, 20);
    part.writeDoubleBE(mark?.wall ?? Number.NaN, 28);
    part.set(piece, HEAD_BYTES);
    parts.push(part);
  }
  return parts;
}

/** Whether two messages are the same part of the same entry. */
export function isSamePart(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** Puts the parts of entries together. What a writer left incomplete is ignored. */
export class EntryReader {
  private id = '';
  private pieces: Uint8Array[] = [];
  private bytes = 0;

  /**
   * @returns the entry that this part completes
   * @throws LogTrouble for what another release has written
   */
  add(part: Uint8Array): LogEntry | undefined {
    const data = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    if (data.length < HEAD_BYTES || data.readUInt8(0) !== FORMAT || data.readUInt16BE(2) !== SCHEMA_VERSION) {
      throw new LogTrouble('setup', 'its log was not written by this release, or belongs to something else');
    }
    const flags = data.readUInt8(1);
    const id = data.toString('latin1', 4, 20);
    if ((flags & FIRST) !== 0) this.begin(id);
    else if (id !== this.id) return undefined;
    this.pieces.push(data.subarray(HEAD_BYTES));
    this.bytes += data.length;
    if (this.bytes > MAX_ENTRY_BYTES) throw new LogTrouble('setup', 'its log has an entry that is too large');
    if ((flags & LAST) === 0) return undefined;
    const changes = this.pieces.length === 1 ? (this.pieces[0] as Uint8Array) : Buffer.concat(this.pieces);
    this.begin('');
    const at = data.readDoubleBE(20);
    return { mark: Number.isNaN(at) ? undefined : { at, wall: data.readDoubleBE(28) }, changes };
  }

  private begin(id: string): void {
    this.id = id;
    this.pieces = [];
    this.bytes = 0;
  }
}
