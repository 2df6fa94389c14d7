import type { DataMessage } from '../engage/messages.js';
import { varintLength, writeVarint } from '../wire/codec.js';
import { MESSAGE_HEADER_BYTES } from './grpc-frames.js';
import type { Payload } from './http2-stream.js';

const DATA_FIELD = (2 << 3) | 2;
const BYTES_FIELD = (1 << 3) | 2;
const EOF_FIELD = 2 << 3;

/**
 * A message with body bytes, in gRPC framing. It is encoded directly into the outbox with one copy; until then the bytes must not
 * change. `encodeData` encodes the same, and tests compare them.
 */
export class FramedData implements Payload {
  readonly length: number;
  private readonly inner: number;

  constructor(private readonly message: DataMessage) {
    const { length } = message.data;
    this.inner = (length > 0 ? 1 + varintLength(length) + length : 0) + (message.eof ? 2 : 0);
    this.length = MESSAGE_HEADER_BYTES + 1 + varintLength(this.inner) + this.inner;
  }

  writeTo(memory: Buffer, start: number): void {
    const { data, eof } = this.message;
    const messageBytes = this.length - MESSAGE_HEADER_BYTES;
    memory[start] = 0;
    memory[start + 1] = messageBytes >>> 24;
    memory[start + 2] = messageBytes >>> 16;
    memory[start + 3] = messageBytes >>> 8;
    memory[start + 4] = messageBytes;
    let at = start + MESSAGE_HEADER_BYTES;
    memory[at++] = DATA_FIELD;
    at = writeVarint(memory, at, this.inner);
    if (data.length > 0) {
      memory[at++] = BYTES_FIELD;
      at = writeVarint(memory, at, data.length);
      data.copy(memory, at);
      at += data.length;
    }
    if (!eof) return;
    memory[at] = EOF_FIELD;
    memory[at + 1] = 1;
  }
}
