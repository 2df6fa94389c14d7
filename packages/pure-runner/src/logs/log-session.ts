import type { OutputLine } from '@fnfleet/agent';
import { epochMs, flag, integer, SettingProblem, type SettingsOf, type SettingsShape, text } from '@fnfleet/core';
import { GRPC_STATUS, type LogBatch } from '@fnfleet/protocol';
import { LineBuffer } from './line-buffer.js';

/** The runner's end of one StreamLogs stream. */
export interface CollectorStream {
  /** Confirms the session. */
  open(): void;
  send(batch: LogBatch): void;
  end(): void;
  fail(code: number, details: string): void;
}

export type CollectorMessage =
  | { readonly kind: 'start'; readonly config: Readonly<Record<string, string>> }
  | { readonly kind: 'ack' | 'ready' | 'unknown' };

/** The source of the lines. */
export interface LogSource {
  /** The latest lines, oldest first. */
  readonly recent: Iterable<OutputLine>;
  /** Calls `session.offer` with each new line until the session leaves. */
  join(session: LogSession): void;
  leave(session: LogSession): void;
  /** A session dropped these lines. Other sessions may still have them. */
  lost(lines: readonly OutputLine[]): void;
}

/** Maximum size of a batch, well below the limit of a gRPC message. */
const BATCH_BYTES = 512 * 1024;

/**
 * One collector of function output.
 *
 *   awaitingStart ──start──▶ open ──half-close, all sent (no follow, shutdown), gone, error──▶ closed
 *
 * L1  At most one batch is in flight: the next follows its `ack`. Before `ready` (or a first `ack`) none is sent.
 * L2  A slow collector loses only its own lines: the oldest are dropped, and the next batch contains their number.
 * L3  close() is the only way out; it removes the session from the source.
 */
export class LogSession {
  private state: 'awaitingStart' | 'open' | 'closed' = 'awaitingStart';
  private request: LogRequest = parseLogRequest({});
  private readonly buffer: LineBuffer;
  private ready = false;
  private unacknowledged = false;
  /** The session ends when the buffered lines have been sent. */
  private ending = false;
  private dropped = 0;
  private scheduled: NodeJS.Immediate | undefined;

  constructor(
    private readonly stream: CollectorStream,
    private readonly source: LogSource,
    bufferBytes: number,
  ) {
    this.buffer = new LineBuffer(bufferBytes);
  }

  onMessage(message: CollectorMessage): void {
    if (this.state === 'closed') return;
    if (this.state === 'awaitingStart') {
      if (message.kind === 'start') this.start(message.config);
      else this.fail(GRPC_STATUS.UNKNOWN, 'expected start session');
    } else if (message.kind === 'ack' || message.kind === 'ready') {
      if (message.kind === 'ack') this.unacknowledged = false;
      this.ready = true;
      this.schedule();
    } else this.fail(GRPC_STATUS.UNKNOWN, 'expected ack');
  }

  /** The collector ended the session. */
  onHalfClose(): void {
    if (this.close()) this.stream.end();
  }

  /** The stream is gone, for whatever reason. */
  onGone(): void {
    this.close();
  }

  /** Receives a new line. */
  offer(line: OutputLine): void {
    if (isWanted(this.request, line)) this.keep(line);
  }

  /** No more lines will come. */
  finish(): void {
    this.ending = true;
    this.schedule();
  }

  private start(config: Readonly<Record<string, string>>): void {
    try {
      this.request = parseLogRequest(config);
    } catch (error) {
      if (!(error instanceof SettingProblem)) throw error;
      return this.fail(GRPC_STATUS.INVALID_ARGUMENT, `start.config: ${error.message}`);
    }
    this.state = 'open';
    this.stream.open();
    const { tail, since = 0, follow } = this.request;
    if (tail > 0) {
      const lines = [...this.source.recent].filter((line) => epochMs(line.at) > since && isWanted(this.request, line));
      for (const line of lines.slice(-tail)) this.keep(line);
    }
    if (follow) this.source.join(this);
    else this.ending = true;
  }

  private keep(line: OutputLine): void {
    const dropped = this.buffer.push(line);
    if (dropped.length > 0) {
      this.dropped += dropped.length;
      this.source.lost(dropped);
    }
    this.schedule();
  }

  /** Lines of one turn of the event loop are sent together. */
  private schedule(): void {
    if (this.state !== 'open' || !this.ready || this.unacknowledged) return;
    this.scheduled ??= setImmediate(() => this.push());
  }

  private push(): void {
    this.scheduled = undefined;
    if (this.buffer.isEmpty) {
      if (this.ending && this.close()) this.stream.end();
      return;
    }
    this.unacknowledged = true;
    const { dropped } = this;
    this.dropped = 0;
    this.stream.send({ lines: this.buffer.take(BATCH_BYTES), dropped });
  }

  private fail(code: number, details: string): void {
    if (this.close()) this.stream.fail(code, details);
  }

  /** L3. Returns false if it was already closed. */
  private close(): boolean {
    if (this.state === 'closed') return false;
    this.state = 'closed';
    clearImmediate(this.scheduled);
    this.source.leave(this);
    return true;
  }
}

/** The keys that a collector may send in the `config` of its `start`. Other keys are ignored. */
const logRequestKeys = {
  fnId: text('fn_id', { doc: 'Only lines of this function.' }),
  appId: text('app_id', { doc: 'Only lines of functions of this app.' }),
  callId: text('call_id', { doc: 'Only lines of this call.' }),
  tail: integer('tail', {
    default: 0,
    min: 0,
    doc: 'How many of the latest lines that the runner still has are sent first.',
  }),
  since: integer('since', {
    min: 0,
    doc: 'Of those, only lines later than this time, in milliseconds since the epoch.',
  }),
  follow: flag('follow', { default: true, doc: 'Whether to continue with new lines as they are printed.' }),
} as const;

type LogRequest = SettingsOf<typeof logRequestKeys>;

/** @throws SettingProblem that says what is wrong */
function parseLogRequest(config: Readonly<Record<string, string>>): LogRequest {
  const shape: SettingsShape = logRequestKeys;
  const values = Object.entries(shape).map(([key, setting]) => {
    const value = config[setting.name]?.trim();
    return [key, value ? setting.parse(value) : setting.fallback()];
  });
  return Object.fromEntries(values) as LogRequest;
}

function isWanted({ fnId, appId, callId }: LogRequest, line: OutputLine): boolean {
  return (
    (fnId === undefined || line.fnId === fnId) &&
    (appId === undefined || line.appId === appId) &&
    (callId === undefined || line.callId === callId)
  );
}
