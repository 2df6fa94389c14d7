import type { LogSink, OutputLine } from '@fnfleet/agent';
import { count, countFromZero, type SettingsOf, TurnoverSet } from '@fnfleet/core';
import { GRPC_STATUS } from '@fnfleet/protocol';
import type { logSettings } from '../settings.js';
import { LineBuffer } from './line-buffer.js';
import { type CollectorStream, LogSession, type LogSource } from './log-session.js';

/**
 * The output of a runner's functions: a sink for its agent, and the source for all collectors. Keeps the latest lines for
 * collectors that request them.
 */
export class FunctionLogs implements LogSink, LogSource {
  readonly recent: LineBuffer;
  private readonly following = new TurnoverSet<LogSession>();
  private readonly open = new TurnoverSet<LogSession>();
  /** Lines already counted as dropped, so that a line that several collectors drop is counted once. */
  private readonly counted = new WeakSet<OutputLine>();
  private closed = false;

  constructor(private readonly settings: SettingsOf<typeof logSettings>) {
    this.recent = new LineBuffer(settings.logBufferBytes);
    countFromZero('log_dropped_lines');
  }

  /** Number of connected collectors. */
  get collectors(): number {
    return this.open.size;
  }

  write(line: OutputLine): void {
    this.recent.push(line);
    for (const session of this.following) session.offer(line);
  }

  /** Sends the buffered lines to collectors, then ends their streams. */
  close(): void {
    this.closed = true;
    for (const session of this.open) session.finish();
  }

  /** Accepts the stream of a collector; undefined if it was refused. */
  accept(stream: CollectorStream): LogSession | undefined {
    const { maxLogCollectors, logBufferBytes } = this.settings;
    if (this.closed) return refuse(stream, GRPC_STATUS.UNAVAILABLE, 'the runner is shutting down');
    if (this.open.size >= maxLogCollectors) {
      const details = `the runner already has ${maxLogCollectors} log collectors (FN_MAX_LOG_COLLECTORS)`;
      return refuse(stream, GRPC_STATUS.RESOURCE_EXHAUSTED, details);
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

function refuse(stream: CollectorStream, code: number, details: string): undefined {
  stream.fail(code, details);
}
