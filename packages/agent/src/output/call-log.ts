import { count, type WallMs } from '@fnfleet/core';
import type { OutputSource } from '@fnfleet/drivers';
import type { OutputLine } from './log-sink.js';

/** The fields that all lines of a log share. */
export type LogOrigin = Omit<OutputLine, 'at' | 'source' | 'text'>;

/**
 * The output of one call, up to a limit in bytes that includes line endings. At the limit one line reports the truncation, and
 * the rest is dropped.
 */
export class CallLog {
  private leftBytes: number;
  private full = false;

  constructor(
    private readonly origin: LogOrigin,
    private readonly limitBytes: number,
    private readonly deliver: (line: OutputLine) => void,
  ) {
    this.leftBytes = limitBytes;
  }

  get isFull(): boolean {
    return this.full;
  }

  add(text: Buffer, source: OutputSource, at: WallMs): void {
    if (this.full) return this.drop(text.length + 1);
    const kept = text.length <= this.leftBytes ? text : text.subarray(0, this.leftBytes);
    this.leftBytes -= kept.length + 1;
    if (kept.length > 0 || this.leftBytes >= 0) this.write(kept, source, at);
    if (this.leftBytes > 0) return;
    this.full = true;
    this.drop(text.length - kept.length);
    this.write(Buffer.from(truncationNote(this.limitBytes)), source, at);
  }

  /** Counts output that is dropped. */
  drop(bytes: number): void {
    count('log_truncated_bytes', bytes);
  }

  private write(text: Buffer, source: OutputSource, at: WallMs): void {
    count('log_lines');
    this.deliver({ ...this.origin, at, source, text });
  }
}

/** The exact text that Fn uses. */
function truncationNote(limitBytes: number): string {
  return `-----max log size ${limitBytes} bytes exceeded, truncating log-----`;
}
