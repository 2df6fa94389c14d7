import { ConnectionError, FLAG, H2_ERROR } from './wire.js';

/** Limits for one block, in bytes and frames: beyond them the connection ends. */
const MAX_BLOCK_BYTES = 64 * 1024;
const MAX_CONTINUATIONS = 16;

export interface HeaderBlockSink {
  /** A block is complete: `bytes[start, end)`. The flags are those of its HEADERS. */
  onBlock(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

/** Assembles header blocks from HEADERS and CONTINUATION. */
export class HeaderBlocks {
  private open: { stream: number; flags: number; parts: Buffer[]; bytes: number; frames: number } | undefined;

  constructor(private readonly sink: HeaderBlockSink) {}

  /** A block is incomplete: only CONTINUATION may follow. */
  get isOpen(): boolean {
    return this.open !== undefined;
  }

  /** @throws ConnectionError */
  onHeaders(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    if (streamId === 0) broken('HEADERS of the connection');
    let from = start;
    let end = start + length;
    if ((flags & FLAG.PADDED) !== 0) {
      const padding = length > 0 ? (bytes[start] as number) : 0;
      from += 1;
      end -= padding;
    }
    if ((flags & FLAG.PRIORITY) !== 0) from += 5;
    if (from > end) broken('HEADERS shorter than their padding');
    if ((flags & FLAG.END_HEADERS) !== 0) return this.sink.onBlock(flags, streamId, bytes, from, end);
    const parts = [Buffer.from(bytes.subarray(from, end))];
    this.open = { stream: streamId, flags, parts, bytes: end - from, frames: 0 };
  }

  /** @throws ConnectionError */
  onContinuation(flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    const { open } = this;
    if (open?.stream !== streamId) return broken('CONTINUATION of nothing');
    open.bytes += length;
    open.frames += 1;
    if (open.bytes > MAX_BLOCK_BYTES || open.frames > MAX_CONTINUATIONS) {
      throw new ConnectionError(H2_ERROR.ENHANCE_YOUR_CALM, 'a header block without an end');
    }
    open.parts.push(Buffer.from(bytes.subarray(start, start + length)));
    if ((flags & FLAG.END_HEADERS) === 0) return;
    this.open = undefined;
    const block = Buffer.concat(open.parts);
    this.sink.onBlock(open.flags, streamId, block, 0, block.length);
  }
}

function broken(what: string): never {
  throw new ConnectionError(H2_ERROR.PROTOCOL_ERROR, what);
}
