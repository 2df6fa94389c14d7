import { PassThrough } from 'node:stream';
import type { RequestBody } from '@fnfleet/core';
import type { LogSink, OutputLine } from '../output/log-sink.js';

/** A request body that a test feeds by hand. */
export class StreamBody implements RequestBody {
  consumed = false;
  discarded = false;
  readonly source = new PassThrough();

  takeComplete(): undefined {
    return undefined;
  }

  stream(): PassThrough {
    return this.source.once('end', () => {
      this.consumed = true;
    });
  }

  discard(): void {
    this.discarded = true;
    this.source.destroy();
  }
}

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
