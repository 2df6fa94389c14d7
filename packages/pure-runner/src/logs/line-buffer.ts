import type { OutputLine } from '@fnfleet/agent';

/** Approximate memory of a line in addition to its text. */
const LINE_OVERHEAD_BYTES = 256;
/** The array is compacted once this many entries at its front are unused. */
const COMPACT_AT = 1024;
const NONE: readonly OutputLine[] = [];

/** Lines in order of arrival, within a memory limit: the oldest are dropped for the newest. */
export class LineBuffer implements Iterable<OutputLine> {
  private lines: OutputLine[] = [];
  private first = 0;
  private bytes = 0;

  constructor(private readonly limitBytes: number) {}

  get isEmpty(): boolean {
    return this.first === this.lines.length;
  }

  /** Returns the lines that were dropped. */
  push(line: OutputLine): readonly OutputLine[] {
    this.lines.push(line);
    this.bytes += costOf(line);
    if (this.bytes <= this.limitBytes) return NONE;
    const dropped: OutputLine[] = [];
    while (this.bytes > this.limitBytes && !this.isEmpty) dropped.push(this.shift() as OutputLine);
    return dropped;
  }

  /** Removes and returns the oldest lines, as many as fit into `maxBytes` but at least one. */
  take(maxBytes: number): OutputLine[] {
    const taken: OutputLine[] = [];
    let room = maxBytes;
    while (!this.isEmpty && (taken.length === 0 || room > 0)) {
      const line = this.shift();
      if (line === undefined) break;
      taken.push(line);
      room -= costOf(line);
    }
    return taken;
  }

  *[Symbol.iterator](): Iterator<OutputLine> {
    for (let at = this.first; at < this.lines.length; at += 1) yield this.lines[at] as OutputLine;
  }

  private shift(): OutputLine | undefined {
    const line = this.lines[this.first];
    if (line === undefined) return undefined;
    this.first += 1;
    this.bytes -= costOf(line);
    if (this.first >= COMPACT_AT && this.first * 2 >= this.lines.length) {
      this.lines = this.lines.slice(this.first);
      this.first = 0;
    }
    return line;
  }
}

function costOf({ text }: OutputLine): number {
  return text.length + LINE_OVERHEAD_BYTES;
}
