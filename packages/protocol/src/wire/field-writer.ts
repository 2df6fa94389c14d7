const VARINT = 0;
const BYTES = 2;

/** Enough for a message of nearly every call. */
const KEPT_BYTES = 16 * 1024;
/** The longest encoding of a number. */
const MAX_VARINT_BYTES = 10;
/** A UTF-16 unit takes at most three bytes. */
const BYTES_PER_UNIT = 3;

/**
 * Writes the fields of one Protobuf message after the other into the same memory, and copies what is complete. The writer of
 * protobufjs makes an object for each field, and another for each part of it: with small messages, that was a seventh of what a
 * runner allocated for a call. Fields without a value are omitted, as in proto3.
 */
export class FieldWriter {
  private bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
  private at = 0;

  /** Begins a message, and forgets one that was not completed. */
  begin(): void {
    this.at = 0;
  }

  text(field: number, value: string): void {
    if (value !== '') this.string(field, value);
  }

  /** A header or an entry of a map: both texts, also empty ones. */
  pair(field: number, name: string, value: string): void {
    const start = this.open(field);
    this.string(1, name);
    this.string(2, value);
    this.close(start);
  }

  /** @param value is rounded towards zero; one that is not finite counts as zero */
  number(field: number, value: number): void {
    const whole = Number.isFinite(value) ? Math.trunc(value) : 0;
    if (whole === 0) return;
    this.reserve(0);
    this.key(field, VARINT);
    if (whole > 0) return this.varint(whole);
    // Two's complement in 64 bits.
    let rest = BigInt.asUintN(64, BigInt(whole));
    for (; rest > 127n; rest >>= 7n) this.bytes[this.at++] = Number(rest & 127n) | 128;
    this.bytes[this.at++] = Number(rest);
  }

  flag(field: number, value: boolean): void {
    this.number(field, Number(value));
  }

  /** Begins a message in the message. @returns what `close` needs */
  open(field: number): number {
    this.reserve(0);
    this.key(field, BYTES);
    this.at += 1;
    return this.at;
  }

  /** Ends the message that was begun last. */
  close(start: number): void {
    const length = this.at - start;
    // Most lengths fit into the one byte that is reserved for them.
    let more = 0;
    for (let rest = length >>> 7; rest > 0; rest >>>= 7) more += 1;
    if (more > 0) {
      this.reserve(0);
      this.bytes.copyWithin(start + more, start, this.at);
    }
    this.at = start - 1;
    this.varint(length);
    this.at += length;
  }

  /** The message. */
  end(): Buffer {
    const message = Buffer.allocUnsafe(this.at);
    this.bytes.copy(message, 0, 0, this.at);
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
    return message;
  }

  private string(field: number, value: string): void {
    this.reserve(BYTES_PER_UNIT * value.length);
    this.key(field, BYTES);
    this.varint(Buffer.byteLength(value));
    this.at += this.bytes.write(value, this.at, 'utf8');
  }

  private key(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  private varint(value: number): void {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) | 128;
    this.bytes[this.at++] = rest;
  }

  /** Room for a key, a number or a length, and this many bytes more. */
  private reserve(bytes: number): void {
    const needed = this.at + 2 * MAX_VARINT_BYTES + bytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
