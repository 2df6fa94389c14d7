import type { Logger, WallMs } from '@fnfleet/core';
import type { OutputSource } from '@fnfleet/drivers';

/** One line that a function printed. */
export interface OutputLine {
  /** When the line ending arrived. */
  readonly at: WallMs;
  readonly source: OutputSource;
  /** Without the line ending; may contain any bytes. */
  readonly text: Buffer;
  /** Empty for output before the first call of a container. */
  readonly callId: string;
  readonly fnId: string;
  readonly appId: string;
  readonly image: string;
  readonly containerId: string;
}

/** Receives the output of functions, line by line: that of one call with `withLogger`, or of all calls as a sink of the agent. */
export interface LogSink {
  /** Called synchronously for each line. Must neither wait nor throw: a sink that throws gets no more lines. */
  write(line: OutputLine): void;
  /** No more lines will come. */
  close(): void;
}

/** The default sink of a call: its output goes only to the sinks of the agent. */
export const noLogSink: LogSink = { write: () => undefined, close: () => undefined };

/** Writes the output of functions to the log of the runner, as a field, so that it cannot pass for a message of the runner. */
export class RunnerLogSink implements LogSink {
  constructor(private readonly log: Logger) {}

  write({ text, source, callId, appId, fnId, image, containerId }: OutputLine): void {
    this.log.debug('function output', {
      user_log: true,
      app_id: appId,
      fn_id: fnId,
      image,
      call_id: callId,
      container_id: containerId,
      source,
      line: text.toString(),
    });
  }

  close(): void {
    // The runner owns the log.
  }
}
