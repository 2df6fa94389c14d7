import { StringDecoder } from 'node:string_decoder';
import { type Clock, Deferred, type Timer, TurnoverMap } from '@fnfleet/core';
import type { LogSink, OutputLine } from './log-sink.js';

/** How long to wait for output that arrives after the response, milliseconds: usually, and when the call has failed. */
const LATE_MS = 20;
const LATE_AFTER_FAILURE_MS = 200;
/** A function that has printed nothing in this many calls is not waited for, so that it loses no time. */
const QUIET_CALLS = 3;
const MAX_FUNCTIONS = 10_000;
const NEWLINE = Buffer.from('\n');
const NOTHING = Buffer.alloc(0);

/** Collects what functions print for those who want it with the outcome of a call. */
export class CallLogs {
  /** Latest calls in which a function has printed nothing. The function that has been quiet for longest is first. */
  private readonly quiet = new TurnoverMap<string, number>();

  /** @param maxBytes how much of the output is kept: its beginning */
  constructor(
    private readonly clock: Pick<Clock, 'after'>,
    private readonly maxBytes: number,
  ) {}

  /** For `withLogger`. */
  open(fnId: string): CallLog {
    return new CallLog({
      clock: this.clock,
      maxBytes: this.maxBytes,
      isQuiet: () => (this.quiet.get(fnId) ?? 0) >= QUIET_CALLS,
      onClosed: (hasPrinted) => this.note(fnId, hasPrinted),
    });
  }

  private note(fnId: string, hasPrinted: boolean): void {
    const calls = this.quiet.get(fnId) ?? 0;
    if (calls === QUIET_CALLS && !hasPrinted) return;
    this.quiet.delete(fnId);
    if (hasPrinted) return;
    const [oldest] = this.quiet.keys();
    if (this.quiet.size >= MAX_FUNCTIONS && oldest !== undefined) this.quiet.delete(oldest);
    this.quiet.set(fnId, Math.min(calls + 1, QUIET_CALLS));
  }
}

interface CallLogParts {
  readonly clock: Pick<Clock, 'after'>;
  readonly maxBytes: number;
  readonly isQuiet: () => boolean;
  readonly onClosed: (hasPrinted: boolean) => void;
}

/** The output of one call, both streams in the order of their arrival. */
export class CallLog implements LogSink {
  /** Grows with the output: many short lines must not take more than their bytes. */
  private kept: Buffer = NOTHING;
  private bytes = 0;
  private readonly closed = new Deferred<void>();
  private isClosed = false;

  constructor(private readonly options: CallLogParts) {}

  write({ text }: OutputLine): void {
    this.keep(text);
    this.keep(NEWLINE);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.options.onClosed(this.bytes > 0);
    this.closed.resolve();
  }

  /** Resolves soon after the end of the call, at the latest when the signal aborts. */
  async whenComplete(hasFailed: boolean, signal: AbortSignal): Promise<string> {
    const waitMs = hasFailed ? LATE_AFTER_FAILURE_MS : this.options.isQuiet() ? 0 : LATE_MS;
    if (!this.isClosed && waitMs > 0 && !signal.aborted) await this.closedWithin(waitMs, signal);
    if (this.bytes === 0) return '';
    // Omits a character of which only the beginning was kept.
    return new StringDecoder('utf8').write(this.kept.subarray(0, this.bytes));
  }

  private async closedWithin(waitMs: number, signal: AbortSignal): Promise<void> {
    const over = new Deferred<void>();
    const end = () => over.resolve();
    const timer: Timer = this.options.clock.after(waitMs, end);
    signal.addEventListener('abort', end, { once: true });
    try {
      await Promise.race([this.closed.promise, over.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', end);
    }
  }

  private keep(bytes: Buffer): void {
    const { maxBytes } = this.options;
    const end = Math.min(maxBytes, this.bytes + bytes.length);
    if (end > this.kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(maxBytes, Math.max(end, 2 * this.kept.length)));
      this.kept.copy(larger, 0, 0, this.bytes);
      this.kept = larger;
    }
    bytes.copy(this.kept, this.bytes, 0, end - this.bytes);
    this.bytes = end;
  }
}
