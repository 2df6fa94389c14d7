import type { Logger } from '@fnfleet/core';
import type { LogSink, OutputLine } from './log-sink.js';

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
