/** gRPC's framing of messages: one byte of flags, four of length (big-endian), then the message. */
const HEADER_BYTES = 5;

export function frameMessage(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, HEADER_BYTES);
  return framed;
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** A message is larger than the limit. */
export class OversizeError extends FrameError {
  constructor(
    readonly bytes: number,
    readonly maxBytes: number,
  ) {
    super(`a message of ${bytes} bytes is larger than the limit of ${maxBytes}`);
  }
}

/** Cuts a byte stream back into messages. Holds at most one incomplete message. */
export class Deframer {
  private held: Buffer | undefined;

  constructor(private readonly maxMessageBytes: number) {}

  /**
   * Calls `onMessage` for every message that is now complete.
   * @throws FrameError on a compressed or an oversize message
   */
  push(chunk: Buffer, onMessage: (message: Buffer) => void): void {
    let bytes = this.held === undefined ? chunk : Buffer.concat([this.held, chunk]);
    this.held = undefined;
    while (bytes.length >= HEADER_BYTES) {
      if (bytes[0] !== 0) throw new FrameError('the peer sent a compressed message without being asked to');
      const length = bytes.readUInt32BE(1);
      if (length > this.maxMessageBytes) throw new OversizeError(length, this.maxMessageBytes);
      if (bytes.length < HEADER_BYTES + length) break;
      const message = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
      bytes = bytes.subarray(HEADER_BYTES + length);
      onMessage(message);
    }
    if (bytes.length > 0) this.held = bytes;
  }
}
