/** Smaller chunks are merged, because many small buffers cost more than their content. */
const JOIN_BYTES = 16 * 1024;

interface Block {
  /** Offset of its first byte. */
  readonly start: number;
  data: Buffer;
}

/** Bytes in memory, addressed by offset. They are appended at the end and may be dropped from the front. */
export class ByteBlocks {
  private blocks: Block[] = [];
  private firstOffset = 0;
  private endOffset = 0;

  /** Offset of the first remaining byte. */
  get start(): number {
    return this.firstOffset;
  }

  /** Offset after the last byte. */
  get end(): number {
    return this.endOffset;
  }

  get size(): number {
    return this.endOffset - this.firstOffset;
  }

  push(data: Buffer): void {
    const tail = this.blocks.at(-1);
    if (tail !== undefined && tail.data.length + data.length <= JOIN_BYTES) {
      tail.data = Buffer.concat([tail.data, data]);
    } else this.blocks.push({ start: this.endOffset, data });
    this.endOffset += data.length;
  }

  /**
   * The bytes from `offset` to the end of their block, at least one. Throws RangeError for bytes that are not there.
   */
  from(offset: number): Buffer {
    const block = this.blockOf(offset);
    if (block === undefined) throw new RangeError(`byte ${offset} of ${this.firstOffset} to ${this.endOffset}`);
    return block.data.subarray(offset - block.start);
  }

  dropFront(bytes: number): void {
    const start = this.firstOffset + bytes;
    const keep = this.blockOf(start);
    if (keep === undefined) this.blocks = [];
    else {
      const rest = { start, data: keep.data.subarray(start - keep.start) };
      this.blocks = [rest, ...this.blocks.slice(this.blocks.indexOf(keep) + 1)];
    }
    this.firstOffset = start;
  }

  clear(): void {
    this.dropFront(this.size);
  }

  private blockOf(offset: number): Block | undefined {
    if (offset < this.firstOffset || offset >= this.endOffset) return undefined;
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.blocks[middle]?.start ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return this.blocks[low];
  }
}
