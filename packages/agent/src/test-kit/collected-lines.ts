import type { LogSink, OutputLine } from '../output/log-sink.js';

/** A sink that keeps what it gets. */
export class CollectedLines implements LogSink {
  readonly lines: OutputLine[] = [];
  closed = 0;

  write(line: OutputLine): void {
    if (this.closed > 0) throw new Error('a line after the end');
    this.lines.push(line);
  }

  close(): void {
    this.closed += 1;
  }

  /** `call: text` of each line, in order of arrival. */
  get byCall(): string[] {
    return this.lines.map(({ callId, text }) => `${callId}: ${text}`);
  }

  get text(): string {
    return this.lines.map(({ text }) => `${text}\n`).join('');
  }
}
