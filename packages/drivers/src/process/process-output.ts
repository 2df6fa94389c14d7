import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { systemClock } from '@fnfleet/core';
import { drainOutput } from '../drain-output.js';
import type { OutputListener, OutputSource } from '../driver.js';

/** Reads both outputs of a child process to their end. */
export class ProcessOutput {
  private readonly streams: readonly Readable[];
  private readonly end: Promise<void>;

  constructor(child: ChildProcess, listener: OutputListener) {
    const sources: [Readable | null, OutputSource][] = [
      [child.stdout, 'stdout'],
      [child.stderr, 'stderr'],
    ];
    this.streams = sources.flatMap(([stream, source]) => {
      stream?.on('data', (chunk: Buffer) => listener(chunk, source));
      return stream ?? [];
    });
    this.end = Promise.all(this.streams.map(closed)).then(() => undefined);
  }

  /** Call it after the process has ended. Resolves when all its output has been passed on. */
  finish(): Promise<void> {
    // A process that left the group may keep the pipes open.
    return drainOutput(this.end, () => this.streams.forEach((stream) => void stream.destroy()), systemClock);
  }
}

function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    stream.on('error', () => undefined); // `close` follows
    stream.once('close', resolve);
  });
}
