import { type BorrowedBytes, lend } from '@fnfleet/core';
import { ConnectionError, FRAME_HEADER_BYTES, H2_ERROR, MAX_FRAME_BYTES, PREFACE } from './wire.js';

/** Until a larger one arrives in parts: connections without bodies need little memory. */
const SMALL_PAYLOAD_BYTES = 512;
const NO_BYTES = Buffer.alloc(0);

export interface FrameSink {
  /** The payload is `bytes[start, start + length)`. */
  onFrame(type: number, flags: number, streamId: number, bytes: BorrowedBytes, start: number, length: number): void;
  /** Whether to stop reading. */
  readonly isClosed: boolean;
}

/**
 * Splits the data of a connection into frames. A frame that arrived whole is not copied, and at most one incomplete frame is
 * buffered.
 */
export class FrameReader {
  private prefaceLeft: number;
  private readonly head = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
  private headBytes = 0;
  /** Memory for payloads, and the size of the current one. Used again for each: most reads end within a frame. */
  private payload: Buffer = NO_BYTES;
  private payloadLength = 0;
  private payloadBytes = 0;

  /** @param expectsPreface whether the peer is a client, which sends the HTTP/2 preface first */
  constructor(
    private readonly sink: FrameSink,
    expectsPreface: boolean,
  ) {
    this.prefaceLeft = expectsPreface ? PREFACE.length : 0;
  }

  /** @throws ConnectionError */
  push(chunk: BorrowedBytes): void {
    const end = chunk.length;
    let at = this.prefaceLeft > 0 ? this.skipPreface(chunk) : 0;
    if (this.headBytes > 0) at = this.goOn(chunk, at);
    while (end - at >= FRAME_HEADER_BYTES) {
      if (this.sink.isClosed) return;
      const length = lengthAt(chunk, at);
      const start = at + FRAME_HEADER_BYTES;
      if (end - start < length) break;
      const streamId = chunk.readUInt32BE(at + 5) & 0x7fffffff;
      at = start + length;
      this.sink.onFrame(chunk[start - 6] as number, chunk[start - 5] as number, streamId, chunk, start, length);
    }
    this.goOn(chunk, at);
  }

  /** Reads the rest of the incomplete frame. @returns where the next one begins */
  private goOn(chunk: Buffer, from: number): number {
    const { head } = this;
    let at = from;
    if (this.headBytes < FRAME_HEADER_BYTES) {
      const copied = chunk.copy(head, this.headBytes, at);
      this.headBytes += copied;
      at += copied;
      if (this.headBytes < FRAME_HEADER_BYTES) return at;
      this.payloadLength = lengthAt(head, 0);
      this.payloadBytes = 0;
      this.reserve(this.payloadLength);
    }
    const { payload, payloadLength } = this;
    const copied = chunk.copy(payload, this.payloadBytes, at, at + payloadLength - this.payloadBytes);
    this.payloadBytes += copied;
    at += copied;
    if (this.payloadBytes < payloadLength) return at;
    this.headBytes = 0;
    const streamId = head.readUInt32BE(5) & 0x7fffffff;
    lend(payload.subarray(0, payloadLength), (bytes) =>
      this.sink.onFrame(head[3] as number, head[4] as number, streamId, bytes, 0, payloadLength),
    );
    return at;
  }

  private reserve(bytes: number): void {
    if (this.payload.length >= bytes) return;
    this.payload = Buffer.allocUnsafeSlow(bytes > SMALL_PAYLOAD_BYTES ? MAX_FRAME_BYTES : SMALL_PAYLOAD_BYTES);
  }

  private skipPreface(chunk: Buffer): number {
    const known = PREFACE.length - this.prefaceLeft;
    const bytes = Math.min(this.prefaceLeft, chunk.length);
    if (chunk.compare(PREFACE, known, known + bytes, 0, bytes) !== 0) {
      throw new ConnectionError(H2_ERROR.PROTOCOL_ERROR, 'the peer does not speak HTTP/2');
    }
    this.prefaceLeft -= bytes;
    return bytes;
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > MAX_FRAME_BYTES) {
    throw new ConnectionError(H2_ERROR.FRAME_SIZE_ERROR, `a frame of ${length} bytes`);
  }
  return length;
}
