import type { WallMs } from '@fnfleet/core';
import type { OutputSource } from '@fnfleet/drivers';

/** One line that a function printed. */
export interface OutputLine {
  /** When the end of the line arrived. */
  readonly at: WallMs;
  readonly source: OutputSource;
  /** Without the end of the line; any bytes. */
  readonly text: Buffer;
  /** Empty for what a container prints before its first call. */
  readonly callId: string;
  readonly fnId: string;
  readonly appId: string;
  readonly image: string;
  readonly containerId: string;
}

/** Takes what functions print, line by line: one call's with `withLogger`, everybody's as a sink of the agent. */
export interface LogSink {
  /** Called synchronously for each line. Must neither wait nor throw: one that throws gets no more lines. */
  write(line: OutputLine): void;
  /** No more lines will come. */
  close(): void;
}

/** What a call has unless it is given another: its output goes to the sinks of the agent only. */
export const noLogSink: LogSink = { write: () => undefined, close: () => undefined };
