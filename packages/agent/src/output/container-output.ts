import { type Call, type Clock, count, type Logger, later, type MonoMs, type Timer, type WallMs } from '@fnfleet/core';
import type { OutputListener, OutputSource } from '@fnfleet/drivers';
import { type LogSink, noLogSink, type OutputLine } from './log-sink.js';

/** How long after a call its own sink still receives late output, and how long an unfinished line is kept. */
const GRACE_MS = 100;

interface ContainerOutputOptions {
  readonly containerId: string;
  readonly model: Pick<Call, 'fnId' | 'appId' | 'image'>;
  /** The agent's sinks, which receive the lines of every call. */
  readonly sinks: readonly LogSink[];
  /** Maximum output per call, bytes. */
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Splits the output of one container into lines and attributes each line to a call.
 *
 * O1  A line belongs to the call that began last: output takes longer than the response, so the end of a call's output often
 *     arrives after its response. Output before the first call belongs to no call.
 * O2  Each call has its own limit, which includes output after the call until the next one begins.
 * O3  An unfinished line ends when the next call begins, when the container closes, or GRACE_MS after the call.
 * O4  Nothing here waits: a sink that cannot accept a line in time has to drop it.
 */
export class ContainerOutput {
  private readonly lines = { stdout: new LineAssembler(), stderr: new LineAssembler() };
  private readonly failed = new Set<LogSink>();
  private log: CallLog;
  private ownSink = noLogSink;
  private serving = false;
  /** Set once for many calls, which come and go in less time. */
  private grace: Timer | undefined;
  private graceUntil: MonoMs | undefined;

  constructor(private readonly options: ContainerOutputOptions) {
    this.log = this.openLog('', noLogSink);
  }

  readonly listener: OutputListener = (chunk, source) => {
    if (this.log.isFull) return this.log.drop(chunk.length);
    const lines = this.lines[source];
    lines.push(chunk, (text) => this.add(text, source));
    if (!this.serving && lines.pending) this.startGrace();
  };

  begin({ model, logSink }: { readonly model: Call; readonly logSink: LogSink }): void {
    this.endLog();
    this.serving = true;
    this.log = this.openLog(model.id, logSink);
  }

  end(): void {
    this.serving = false;
    if (this.ownSink !== noLogSink || this.lines.stdout.pending || this.lines.stderr.pending) this.startGrace();
  }

  /** The call, and its own sink, move to another container. */
  handOn(): void {
    this.ownSink = noLogSink;
    this.end();
  }

  /** The container is gone. */
  close(): void {
    this.endLog();
    this.grace?.cancel();
    this.grace = undefined;
  }

  private openLog(callId: string, ownSink: LogSink): CallLog {
    const { containerId, model, limitBytes } = this.options;
    const { fnId, appId, image } = model;
    this.ownSink = ownSink;
    return new CallLog({ callId, fnId, appId, image, containerId }, limitBytes, this.deliver);
  }

  private startGrace(): void {
    const { clock } = this.options;
    this.graceUntil ??= later(clock.now(), GRACE_MS);
    this.grace ??= clock.after(GRACE_MS, () => this.onGrace());
  }

  private onGrace(): void {
    const { clock } = this.options;
    this.grace = undefined;
    if (this.graceUntil === undefined) return;
    const leftMs = this.graceUntil - clock.now();
    if (leftMs > 0) this.grace = clock.after(leftMs, () => this.onGrace());
    else this.endLog();
  }

  /** O3. Later lines still belong to the call, but its own sink is closed. */
  private endLog(): void {
    this.graceUntil = undefined;
    for (const source of ['stdout', 'stderr'] as const) {
      if (this.log.isFull) this.lines[source].reset();
      this.lines[source].flush((text) => this.add(text, source));
    }
    this.tell(this.ownSink, (sink) => sink.close());
    this.ownSink = noLogSink;
  }

  private add(text: Buffer, source: OutputSource): void {
    this.log.add(text, source, this.options.clock.wallNow());
  }

  private readonly deliver = (line: OutputLine): void => {
    for (const sink of [...this.options.sinks, this.ownSink]) this.tell(sink, () => sink.write(line));
  };

  private tell(sink: LogSink, what: (sink: LogSink) => void): void {
    if (this.failed.has(sink)) return;
    try {
      what(sink);
    } catch (error) {
      this.failed.add(sink);
      const { containerId, log } = this.options;
      log.error('log sink failed, sending it no more lines of this container', { containerId, error });
    }
  }
}

/** The fields that all lines of a log share. */
type LogOrigin = Omit<OutputLine, 'at' | 'source' | 'text'>;

/**
 * The output of one call, up to a limit in bytes that includes line endings. At the limit one line reports the truncation, and
 * the rest is dropped.
 */
class CallLog {
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
