import type { Call, Clock, Logger, Timer } from '@fnfleet/core';
import type { OutputListener, OutputSource } from '@fnfleet/drivers';
import { CallLog } from './call-log.js';
import { LineAssembler } from './line-assembler.js';
import { type LogSink, noLogSink, type OutputLine } from './log-sink.js';

/** How long after its end a call's own sink still gets what is on its way, and how long a line may take to end. */
const GRACE_MS = 100;

interface ContainerOutputOptions {
  readonly containerId: string;
  readonly model: Pick<Call, 'fnId' | 'appId' | 'image'>;
  /** Of the agent: they get the lines of every call. */
  readonly sinks: readonly LogSink[];
  /** What one call may print, bytes. */
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The output of one container, line by line, each with the call it belongs to.
 *
 * O1  A line belongs to the call that began last: output has a longer way than the answer, so the end of a call's output
 *     often arrives after its answer. What comes before the first call belongs to no call.
 * O2  Each call has its own limit; what comes after it, until the next begins, counts too.
 * O3  A line that has begun ends with the next call or the container, or when none of it came for a while after the call.
 * O4  Nothing here waits: whoever cannot take a line in time has to drop it.
 */
export class ContainerOutput {
  private readonly lines = { stdout: new LineAssembler(), stderr: new LineAssembler() };
  private readonly failed = new Set<LogSink>();
  private log: CallLog;
  private ownSink = noLogSink;
  private serving = false;
  private grace: Timer | undefined;

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

  /** The call goes to another container, and its own sink with it. */
  handOn(): void {
    this.ownSink = noLogSink;
    this.end();
  }

  /** The container is gone. */
  close(): void {
    this.endLog();
  }

  private openLog(callId: string, ownSink: LogSink): CallLog {
    const { containerId, model, limitBytes } = this.options;
    const { fnId, appId, image } = model;
    this.ownSink = ownSink;
    return new CallLog({ callId, fnId, appId, image, containerId }, limitBytes, this.deliver);
  }

  private startGrace(): void {
    this.grace ??= this.options.clock.after(GRACE_MS, () => this.endLog());
  }

  /** O3. Lines that come later still belong to the call, but its own sink is closed. */
  private endLog(): void {
    this.grace?.cancel();
    this.grace = undefined;
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
