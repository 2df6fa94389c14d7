import { createWriteStream, type WriteStream } from 'node:fs';
import { type Clock, type Logger, type MonoMs, Once } from '@fnfleet/core';
import { encodeTraceRecord } from '@fnfleet/placement';
import type { LbCallListener } from '../http/call-listener.js';
import type { LbCall } from './lb-call.js';

/** What waits to be written at most, bytes: a disk that stands still costs lines of the trace, not memory. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * Writes down when calls came and how long they ran, a line each, for `fnfleet simulate --trace`. Nothing in it says what a
 * call carried. A file that cannot be written ends the trace, not the calls.
 */
export class TraceFile implements LbCallListener {
  private readonly startedAt: MonoMs;
  private readonly stream: WriteStream;
  private failed = false;
  private readonly closing = new Once(() => this.end());

  /** @param path is appended to; made if it is not there */
  constructor(
    path: string,
    clock: Pick<Clock, 'now'>,
    private readonly logger: Logger,
  ) {
    this.startedAt = clock.now();
    this.stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.stream.on('error', (error) => {
      this.failed = true;
      this.logger.error('cannot write the trace of calls; there will be no more of it', { path, error });
    });
  }

  afterCall({ model, arrivedAt, executionNs, timings }: LbCall): void {
    // A call that did not run says nothing that could be played again.
    if (executionNs === 0 || this.failed || this.stream.writableLength > MAX_WAITING_BYTES) return;
    const initNs = (timings?.containerCreateNs ?? 0) + (timings?.containerInitNs ?? 0);
    const line = encodeTraceRecord({
      atMs: Math.max(0, arrivedAt - this.startedAt),
      appId: model.appId,
      fnId: model.fnId,
      memoryMb: model.memoryMb + model.tmpfsMb,
      execMs: executionNs / 1e6,
      initMs: initNs > 0 ? initNs / 1e6 : undefined,
    });
    this.stream.write(`${line}\n`);
  }

  /** Writes what is left. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private end(): Promise<void> {
    return new Promise((resolve) => {
      this.stream.once('close', resolve);
      this.stream.end();
      if (this.stream.closed) resolve();
    });
  }
}
