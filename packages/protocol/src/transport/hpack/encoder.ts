import { STATIC_NAMES, STATIC_VALUES } from './static-table.js';

/**
 * Encodes header blocks with names and values of the static table, and literals for everything else. There is no dynamic table:
 * constant parts are encoded once, and a peer can recognise them by their bytes (`HpackDecoder`, D3). There is no Huffman coding
 * either, because it saves bytes but costs time.
 */
export function encodeHeaders(fields: Iterable<readonly [name: string, value: string]>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) parts.push(encodeField(name, value));
  return Buffer.concat(parts);
}

export function encodeField(name: string, value: string): Buffer {
  const nameIndex = STATIC_NAMES.indexOf(name, 1);
  for (let i = nameIndex; i > 0 && STATIC_NAMES[i] === name; i += 1) {
    if (STATIC_VALUES[i] === value) return Buffer.from([0x80 | i]);
  }
  const head = nameIndex > 0 ? integer(nameIndex, 0x0f) : Buffer.concat([Buffer.from([0]), text(name)]);
  return Buffer.concat([head, text(value)]);
}

/** Whether a value can be sent at all. */
export function isFieldValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 0x7f), Buffer.from(value, 'latin1')]);
}

/** In the low bits of a first byte whose other bits are 0. */
function integer(value: number, mask: number): Buffer {
  const bytes = Buffer.alloc(MAX_INTEGER_BYTES);
  return bytes.subarray(0, writeInteger(bytes, 0, value, mask));
}

/** Enough for every length. */
export const MAX_INTEGER_BYTES = 6;

/** Writes an integer; the bits of the first byte outside the mask are 0. @returns where it ends */
export function writeInteger(target: Buffer, start: number, value: number, mask: number): number {
  let at = start;
  if (value < mask) {
    target[at++] = value;
    return at;
  }
  target[at++] = mask;
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) target[at++] = (rest & 127) | 128;
  target[at++] = rest;
  return at;
}
