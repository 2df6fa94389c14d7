import type { Call, Clock, Logger, Timer } from '@fnfleet/core';
import type { OutputListener, OutputSource } from '@fnfleet/drivers';
import { CallLog } from './call-log.js';
import { LineAssembler } from './line-assembler.js';
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

  /** The call, and its own sink, move to another container. */
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

  /** O3. Later lines still belong to the call, but its own sink is closed. */
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
