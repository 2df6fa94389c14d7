import { type BorrowedBytes, lend } from '@fnfleet/core';

/** gRPC message framing: one byte of flags, four of length (big-endian), then the message. */
export const MESSAGE_HEADER_BYTES = 5;

export function frameMessage(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(MESSAGE_HEADER_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, MESSAGE_HEADER_BYTES);
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

/** What all streams of a connection buffer in incomplete messages. */
export class AssemblyBudget {
  private held = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.held;
  }

  /** @throws FrameError if there is no room */
  take(bytes: number): void {
    if (this.held + bytes > this.maxBytes)
      throw new FrameError(`incomplete messages of more than ${this.maxBytes} bytes on one connection`);
    this.held += bytes;
  }

  give(bytes: number): void {
    this.held -= bytes;
  }
}

export interface MessageSink {
  onMessageBytes(message: BorrowedBytes): void;
}

const EMPTY = Buffer.alloc(0);

/** Memory allocated for a message before its first byte. */
const FIRST_BYTES = 16 * 1024;

/**
 * Free memory for a data frame of which a part has arrived, which is how most reads end. Used again, as slabs are.
 */
const freeBlocks: Buffer[] = [];
const MAX_FREE_BLOCKS = 64;

/** Messages that fill at least half a block get one, so that a peer cannot make many small ones occupy much memory. */
const fillsBlock = (bytes: number) => bytes > FIRST_BYTES / 2 && bytes <= FIRST_BYTES;

function giveBlock(memory: Buffer): void {
  if (memory.length === FIRST_BYTES && freeBlocks.length < MAX_FREE_BLOCKS) freeBlocks.push(memory);
}

/**
 * Splits a byte stream into messages. Buffers at most one incomplete message, in memory that grows with the received data and not
 * with the announced length.
 */
export class Deframer {
  private head = EMPTY;
  private headBytes = 0;
  private message: Buffer | undefined;
  private messageBytes = 0;
  private length = 0;

  constructor(
    private readonly maxMessageBytes: number,
    /** Shared limit for incomplete messages; undefined: only the limit per message applies. */
    public budget: AssemblyBudget | undefined = undefined,
  ) {}

  /**
   * Delivers every message that is now complete.
   * @throws FrameError on a compressed or an oversize message
   */
  push(chunk: BorrowedBytes, sink: MessageSink): void {
    let at = 0;
    const end = chunk.length;
    if (this.headBytes > 0) at = this.goOn(chunk, sink);
    while (end - at >= MESSAGE_HEADER_BYTES) {
      this.readHead(chunk, at);
      const start = at + MESSAGE_HEADER_BYTES;
      if (end - start < this.length) break;
      at = start + this.length;
      sink.onMessageBytes(chunk.subarray(start, at));
    }
    if (at < end) this.goOn(chunk.subarray(at), sink);
  }

  /** Drops an incomplete message. */
  drop(): void {
    const memory = this.detach();
    if (memory !== undefined) giveBlock(memory);
  }

  private detach(): Buffer | undefined {
    const { message } = this;
    if (message !== undefined) this.budget?.give(message.length);
    this.message = undefined;
    this.messageBytes = 0;
    this.headBytes = 0;
    return message;
  }

  /** Reads the rest of the incomplete message. @returns how much of the chunk was used */
  private goOn(chunk: Buffer, sink: MessageSink): number {
    let at = 0;
    if (this.headBytes < MESSAGE_HEADER_BYTES) {
      if (this.head.length === 0) this.head = Buffer.alloc(MESSAGE_HEADER_BYTES);
      at = chunk.copy(this.head, this.headBytes);
      this.headBytes += at;
      if (this.headBytes < MESSAGE_HEADER_BYTES) return at;
      this.readHead(this.head, 0);
    }
    const missing = this.length - this.messageBytes;
    const bytes = Math.min(missing, chunk.length - at);
    if (bytes > 0) this.hold(chunk, at, bytes);
    if (bytes < missing) return at + bytes;
    const memory = this.detach() ?? EMPTY;
    lend(memory.subarray(0, this.length), (message) => sink.onMessageBytes(message));
    giveBlock(memory);
    return at + bytes;
  }

  private hold(chunk: Buffer, at: number, bytes: number): void {
    const needed = this.messageBytes + bytes;
    if (this.message === undefined || this.message.length < needed) {
      const { message } = this;
      const wanted = Math.min(this.length, Math.max(needed, 2 * (message?.length ?? 0), FIRST_BYTES));
      const size = fillsBlock(wanted) ? FIRST_BYTES : wanted;
      this.budget?.take(size - (message?.length ?? 0));
      const larger = (size === FIRST_BYTES ? freeBlocks.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
      message?.copy(larger, 0, 0, this.messageBytes);
      this.message = larger;
      if (message !== undefined) giveBlock(message);
    }
    chunk.copy(this.message, this.messageBytes, at, at + bytes);
    this.messageBytes += bytes;
  }

  private readHead(bytes: Buffer, at: number): void {
    if (bytes[at] !== 0) throw new FrameError('the peer sent a compressed message without being asked to');
    this.length = bytes.readUInt32BE(at + 1);
    if (this.length > this.maxMessageBytes) throw new OversizeError(this.length, this.maxMessageBytes);
  }
}
