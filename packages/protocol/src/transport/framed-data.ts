import type { DataMessage } from '../engage/messages.js';
import { varintLength, writeVarint } from '../wire/codec.js';
import { MESSAGE_HEADER_BYTES } from './grpc-frames.js';
import { inMemory, type Payload } from './http2-stream.js';

const DATA_FIELD = (2 << 3) | 2;
const BYTES_FIELD = (1 << 3) | 2;
const EOF_FIELD = 2 << 3;

/** A message with body bytes, in gRPC framing, encoded directly into the outbox with one copy. `encodeData` encodes the same, and tests compare them. */
export class FramedData implements Payload {
  readonly length: number;
  private readonly inner: number;

  /** @param borrowed whether the bytes are valid only for now; otherwise nobody changes them */
  constructor(
    private readonly message: DataMessage,
    private readonly borrowed: boolean,
  ) {
    const { length } = message.data;
    this.inner = (length > 0 ? 1 + varintLength(length) + length : 0) + (message.eof ? 2 : 0);
    this.length = MESSAGE_HEADER_BYTES + 1 + varintLength(this.inner) + this.inner;
  }

  kept(): Buffer | Payload {
    return this.borrowed ? inMemory(this) : this;
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
