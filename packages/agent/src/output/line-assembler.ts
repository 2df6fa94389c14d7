const NEWLINE = 0x0a;
/** Longer lines are split. */
export const MAX_LINE_BYTES = 64 * 1024;

/** Assembles lines from chunks. Keeps copies, because it does not own the chunks. */
export class LineAssembler {
  private parts: Buffer[] = [];
  private bytes = 0;

  /** Whether there is an unfinished line. */
  get pending(): boolean {
    return this.bytes > 0;
  }

  push(chunk: Buffer, emit: (line: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      const limit = at + MAX_LINE_BYTES - this.bytes;
      const newline = chunk.indexOf(NEWLINE, at);
      const ends = newline >= 0 && newline <= limit;
      const end = ends ? newline : Math.min(limit, chunk.length);
      this.keep(chunk.subarray(at, end));
      if (ends || end === limit) this.take(emit);
      at = ends ? end + 1 : end;
    }
  }

  /** Emits an unfinished line. */
  flush(emit: (line: Buffer) => void): void {
    if (this.pending) this.take(emit);
  }

  /** Discards an unfinished line. */
  reset(): void {
    this.parts = [];
    this.bytes = 0;
  }

  private keep(piece: Buffer): void {
    if (piece.length === 0) return;
    // Not from the buffer pool: a line may be kept for long, and would retain the whole pooled buffer.
    const copy = Buffer.allocUnsafeSlow(piece.length);
    piece.copy(copy);
    this.parts.push(copy);
    this.bytes += piece.length;
  }

  private take(emit: (line: Buffer) => void): void {
    const [first = EMPTY] = this.parts;
    const line = this.parts.length > 1 ? Buffer.concat(this.parts) : first;
    this.reset();
    emit(line);
  }
}

const EMPTY = Buffer.alloc(0);
