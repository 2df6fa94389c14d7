import { createWriteStream, type WriteStream } from 'node:fs';
import { type Clock, type Logger, type MonoMs, Once } from '@fnfleet/core';
import { encodeWorkloadRecord } from '@fnfleet/placement';
import type { LbCallListener } from '../lb-agent.js';
import type { LbCall } from './lb-call.js';

/** Limit for unwritten lines, in bytes: when the disk stalls, lines are dropped instead of filling memory. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * Records the workload for `fnfleet simulate --workload-file`: one line per call, with its arrival and duration and
 * nothing of its content. If the file cannot be written, recording stops and calls go on.
 */
export class WorkloadRecorder implements LbCallListener {
  private readonly startedAt: MonoMs;
  private readonly stream: WriteStream;
  private failed = false;
  private readonly closing = new Once(() => this.closeOnce());

  /** @param path file to append to; created if missing */
  constructor(
    path: string,
    clock: Pick<Clock, 'now'>,
    private readonly logger: Logger,
  ) {
    this.startedAt = clock.now();
    this.stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.stream.on('error', (error) => {
      this.failed = true;
      this.logger.error('cannot write the workload file, recording stops', { path, error });
    });
  }

  afterCall({ model, arrivedAt, executionNs, timings }: LbCall): void {
    // A call that did not run cannot be replayed.
    if (executionNs === 0 || this.failed || this.stream.writableLength > MAX_WAITING_BYTES) return;
    const initNs = (timings?.containerCreateNs ?? 0) + (timings?.containerInitNs ?? 0);
    const line = encodeWorkloadRecord({
      atMs: Math.max(0, arrivedAt - this.startedAt),
      appId: model.appId,
      fnId: model.fnId,
      memoryMb: model.memoryMb + model.tmpfsMb,
      execMs: executionNs / 1e6,
      initMs: initNs > 0 ? initNs / 1e6 : undefined,
    });
    this.stream.write(`${line}\n`);
  }

  /** Writes remaining lines. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private closeOnce(): Promise<void> {
    return new Promise((resolve) => {
      this.stream.once('close', resolve);
      this.stream.end();
      if (this.stream.closed) resolve();
    });
  }
}
