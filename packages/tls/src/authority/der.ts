/** Encodes the ASN.1 types that a certificate needs as DER (X.690). */
const TAG = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  oid: 6,
  utf8: 12,
  utcTime: 23,
  generalizedTime: 24,
};
const SEQUENCE = 0x30;
const SET = 0x31;
const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;
/** The last year that a two-digit date can express. */
const LAST_SHORT_YEAR = 2049;

export function sequence(...items: readonly Buffer[]): Buffer {
  return element(SEQUENCE, Buffer.concat(items));
}

export function set(...items: readonly Buffer[]): Buffer {
  return element(SET, Buffer.concat(items));
}

/** @param bytes big-endian, of a non-negative number */
export function unsigned(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const short = first < 0 ? Buffer.of(0) : bytes.subarray(first);
  // A leading 1 bit would make the number negative.
  return element(TAG.integer, (short[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.of(0), short]) : short);
}

export function boolean(value: boolean): Buffer {
  return element(TAG.boolean, Buffer.of(value ? 0xff : 0));
}

/** @param unused number of unused bits at the end */
export function bitString(bytes: Buffer, unused = 0): Buffer {
  return element(TAG.bitString, Buffer.concat([Buffer.of(unused), bytes]));
}

export function octetString(bytes: Buffer): Buffer {
  return element(TAG.octetString, bytes);
}

export function utf8(text: string): Buffer {
  return element(TAG.utf8, Buffer.from(text));
}

/** @param dotted such as `2.5.29.17` */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(TAG.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** A time in UTC, in whole seconds. */
export function time(date: Date): Buffer {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return date.getUTCFullYear() > LAST_SHORT_YEAR
    ? element(TAG.generalizedTime, Buffer.from(digits))
    : element(TAG.utcTime, Buffer.from(digits.slice(2)));
}

/** Explicit tagging: `[n]` around a value that keeps its own tag. */
export function explicit(n: number, content: Buffer): Buffer {
  return element(CONTEXT | CONSTRUCTED | n, content);
}

/** Implicit tagging: `[n]` replaces the tag of a string. */
export function implicit(n: number, bytes: Buffer): Buffer {
  return element(CONTEXT | n, bytes);
}

function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag), lengthOf(content), content]);
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.of(0x80 | digits.length), digits]);
}

/** Base-128 encoding: seven bits per byte; all bytes but the last have the high bit set. */
function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}
