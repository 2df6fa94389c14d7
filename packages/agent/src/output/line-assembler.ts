const NEWLINE = 0x0a;
/** A longer line becomes several. */
export const MAX_LINE_BYTES = 64 * 1024;

/** Makes lines of what comes in pieces. Keeps copies only: the pieces are somebody else's. */
export class LineAssembler {
  private parts: Buffer[] = [];
  private bytes = 0;

  /** Whether a line has begun and not ended. */
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

  /** What has begun counts as a line. */
  flush(emit: (line: Buffer) => void): void {
    if (this.pending) this.take(emit);
  }

  /** What has begun is forgotten. */
  reset(): void {
    this.parts = [];
    this.bytes = 0;
  }

  private keep(piece: Buffer): void {
    if (piece.length === 0) return;
    // Of its own: a line may be kept for long, and would keep the whole of a shared buffer with it.
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
