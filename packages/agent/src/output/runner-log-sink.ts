import type { Logger } from '@fnfleet/core';
import type { LogSink, OutputLine } from './log-sink.js';

/** Puts what functions print into the runner's own log. The text is a field: it must not be taken for a line of the runner. */
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
    // The log is the runner's.
  }
}
