/** Where the output of a function goes while it serves a call. */
export interface LogSink {
  write(chunk: Buffer, source: 'stdout' | 'stderr'): void;
  close(): void;
}

/** Output is not even collected. What a pure runner uses. */
export const noLogSink: LogSink = { write: () => undefined, close: () => undefined };
