import type { LogSink, OutputLine } from '@fnfleet/agent';
import { count, countFromZero, type SettingsOf, TurnoverSet } from '@fnfleet/core';
import { GRPC_STATUS } from '@fnfleet/protocol';
import { LineBuffer } from './line-buffer.js';
import { type CollectorStream, LogSession, type LogSource } from './log-session.js';
import type { logSettings } from './log-settings.js';

/**
 * The output of a runner's functions: a sink for its agent, and the source of every collector. Keeps the latest lines for
 * collectors that ask for them.
 */
export class FunctionLogs implements LogSink, LogSource {
  readonly recent: LineBuffer;
  private readonly following = new TurnoverSet<LogSession>();
  private readonly open = new TurnoverSet<LogSession>();
  /** Lines that are counted as dropped. Another collector may drop them later, and is told, but no more lines are lost. */
  private readonly counted = new WeakSet<OutputLine>();
  private closed = false;

  constructor(private readonly settings: SettingsOf<typeof logSettings>) {
    this.recent = new LineBuffer(settings.logBufferBytes);
    countFromZero('log_dropped_lines');
  }

  /** Collectors that are served now. */
  get collectors(): number {
    return this.open.size;
  }

  write(line: OutputLine): void {
    this.recent.push(line);
    for (const session of this.following) session.offer(line);
  }

  /** Collectors get what is left for them, then their streams end. */
  close(): void {
    this.closed = true;
    for (const session of this.open) session.finish();
  }

  /** A collector has opened a stream. Undefined when it was turned away. */
  accept(stream: CollectorStream): LogSession | undefined {
    const { maxLogCollectors, logBufferBytes } = this.settings;
    if (this.closed) return turnAway(stream, GRPC_STATUS.UNAVAILABLE, 'the runner is shutting down');
    if (this.open.size >= maxLogCollectors) {
      const details = `the runner has ${maxLogCollectors} log collectors already (FN_MAX_LOG_COLLECTORS)`;
      return turnAway(stream, GRPC_STATUS.RESOURCE_EXHAUSTED, details);
    }
    const session = new LogSession(stream, this, logBufferBytes);
    this.open.add(session);
    return session;
  }

  join(session: LogSession): void {
    this.following.add(session);
  }

  leave(session: LogSession): void {
    this.following.delete(session);
    this.open.delete(session);
  }

  lost(lines: readonly OutputLine[]): void {
    const fresh = lines.filter((line) => !this.counted.has(line));
    for (const line of fresh) this.counted.add(line);
    if (fresh.length > 0) count('log_dropped_lines', fresh.length);
  }
}

function turnAway(stream: CollectorStream, code: number, details: string): undefined {
  stream.fail(code, details);
}
