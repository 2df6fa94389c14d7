import { tmpdir } from 'node:os';
import {
  type Clock,
  count,
  countFromZero,
  InflightTracker,
  type Logger,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import { openUnnamed, SpillFile, type SpillFileEvents, type SpillHandle } from './spill-file.js';

const LOSS_REASONS = [
  /** The body exceeds the memory of one call, and there is no disk budget. */
  'too_long',
  /** All calls together have used up the memory budget. */
  'memory_full',
  'disk_full',
  'disk_failed',
] as const;

/** Reasons why a body cannot be sent again. */
export type LossReason = (typeof LOSS_REASONS)[number];

export interface ReplayBudgetOptions {
  /** Bytes that all bodies together may keep in memory. Default: no limit. */
  readonly memoryBytes?: number;
  /** Bytes that all bodies together may keep on disk. Default 0: none. */
  readonly diskBytes?: number;
  /** Directory of their files. Default: the directory for temporary files. */
  readonly directory?: string;
  /** Maximum bytes per read from a client or a file. Default 64 KiB. */
  readonly pieceBytes?: number;
  /** Replaces files in `directory`; for tests. */
  readonly openFile?: () => Promise<SpillHandle>;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** Buffers per file: two for writes and one for reads. */
const PIECES_OF_A_FILE = 3;
const LOG_INTERVAL_MS = 60_000;

/**
 * The budget of memory and disk for the kept bodies of all calls of a balancer.
 *
 * R1  Reservations never wait: they succeed or fail at once, so that no call can wait for another.
 * R2  A file includes the memory for its reads and writes. A quarter of the memory is reserved for files, because full
 *     memory could not be moved to disk otherwise.
 * R3  The space of a file is free once the disk has released it.
 */
export class ReplayBudget {
  readonly pieceBytes: number;
  private memoryUsed = 0;
  private diskUsed = 0;
  private readonly files: InflightTracker;
  private readonly openFile: () => Promise<SpillHandle>;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private loggedAt = Number.NEGATIVE_INFINITY;
  private lostSince = 0;

  constructor(private readonly options: ReplayBudgetOptions = {}) {
    const { directory = tmpdir() } = options;
    this.pieceBytes = options.pieceBytes ?? 64 * 1024;
    this.openFile = options.openFile ?? (() => openUnnamed(directory));
    this.clock = options.clock ?? systemClock;
    this.logger = options.logger ?? silentLogger;
    this.files = new InflightTracker(this.clock);
    countFromZero('lb_replay_memory_bytes');
    countFromZero('lb_replay_disk_bytes');
    countFromZero('lb_replay_lost_count', ...LOSS_REASONS.map((reason) => ({ reason })));
  }

  get memoryBytes(): number {
    return this.memoryUsed;
  }

  get diskBytes(): number {
    return this.diskUsed;
  }

  /** Files that the disk has not released. */
  get openFiles(): number {
    return this.files.size;
  }

  /** Whether bodies may be written to disk. */
  get spills(): boolean {
    return this.diskLimit > 0;
  }

  /** Memory that a file needs. */
  get fileMemoryBytes(): number {
    return PIECES_OF_A_FILE * this.pieceBytes;
  }

  /** @returns whether there was enough; if so, `releaseMemory` returns it */
  takeMemory(bytes: number): boolean {
    const limit = this.spills ? this.memoryLimit * 0.75 : this.memoryLimit; // R2
    return this.take(bytes, limit);
  }

  releaseMemory(bytes: number): void {
    this.memoryUsed -= bytes;
    count('lb_replay_memory_bytes', -bytes);
  }

  /** @returns whether there was enough; if so, closing the file returns it */
  takeDisk(bytes: number): boolean {
    if (this.diskUsed + bytes > this.diskLimit) return false;
    this.diskUsed += bytes;
    count('lb_replay_disk_bytes', bytes);
    return true;
  }

  /** @returns undefined if there is not enough memory */
  newFile(events: SpillFileEvents): SpillFile | undefined {
    if (!this.take(this.fileMemoryBytes, this.memoryLimit)) return undefined;
    const file = new SpillFile(this.openFile, this.clock, events, this.pieceBytes);
    const leave = this.files.enter();
    file.closed.then(() => {
      this.releaseMemory(this.fileMemoryBytes);
      this.diskUsed -= file.size;
      count('lb_replay_disk_bytes', -file.size);
      leave();
    });
    return file;
  }

  /** Counts a body that cannot be sent again, and logs that at most once a minute. */
  lost(reason: LossReason, error?: Error): void {
    this.note('cannot keep a request body, so its call can be offered to one runner only', reason, error);
  }

  /** Counts a detached call that is refused because its body cannot be held, and logs that at most once a minute. */
  refused(reason: LossReason): void {
    this.note('cannot hold the body of a detached call, refusing the call', reason);
  }

  private note(what: string, reason: LossReason, error?: Error): void {
    count('lb_replay_lost_count', 1, { reason });
    this.lostSince += 1;
    const now = this.clock.now();
    if (now - this.loggedAt < LOG_INTERVAL_MS) return;
    this.logger.warn(what, { reason, error, sinceLastMessage: this.lostSince });
    this.loggedAt = now;
    this.lostSince = 0;
  }

  /** Waits until all files are closed, up to `graceMs`. */
  async whenIdle(graceMs: number): Promise<void> {
    await this.files.whenIdle(graceMs);
  }

  private take(bytes: number, limit: number): boolean {
    if (this.memoryUsed + bytes > limit) return false;
    this.memoryUsed += bytes;
    count('lb_replay_memory_bytes', bytes);
    return true;
  }

  private get memoryLimit(): number {
    return this.options.memoryBytes ?? Number.POSITIVE_INFINITY;
  }

  private get diskLimit(): number {
    return this.options.diskBytes ?? 0;
  }
}
