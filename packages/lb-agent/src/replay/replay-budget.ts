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
  /** It exceeds what one call may keep in memory, and nothing goes to disk. */
  'too_long',
  /** All calls together have used up the memory. */
  'memory_full',
  'disk_full',
  'disk_failed',
] as const;

/** Why a body can no longer be sent again. */
export type LossReason = (typeof LOSS_REASONS)[number];

export interface ReplayBudgetOptions {
  /** Bytes that all bodies together may keep in memory. Default: no limit. */
  readonly memoryBytes?: number;
  /** Bytes that they may keep on disk. Default 0: none. */
  readonly diskBytes?: number;
  /** Where their files are. Default: the directory for temporary files. */
  readonly directory?: string;
  /** Most that is taken from a client, or read from a file, at a time. Default 64 KiB. */
  readonly pieceBytes?: number;
  /** Takes the place of files in `directory`. */
  readonly openFile?: () => Promise<SpillHandle>;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** A file needs memory for two pieces on their way to the disk, and for one on its way back. */
const PIECES_OF_A_FILE = 3;
const LOG_INTERVAL_MS = 60_000;

/**
 * What the bodies of all calls of a balancer may keep for another attempt, in memory and on disk.
 *
 * R1  Nothing waits for room here: a call is told yes or no, so that no call can wait for another.
 * R2  A file comes with the memory that its reads and writes need. A quarter of the memory is for files only, or a full
 *     memory could not be relieved by the disk.
 * R3  What a file has used is free once the disk has let go of it.
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

  /** Files that the disk has not let go of. */
  get openFiles(): number {
    return this.files.size;
  }

  /** Whether bodies go to disk at all. */
  get spills(): boolean {
    return this.diskLimit > 0;
  }

  /** Memory that a file needs. */
  get fileMemoryBytes(): number {
    return PIECES_OF_A_FILE * this.pieceBytes;
  }

  /** @returns whether there was room; if so, `releaseMemory` gives it back */
  takeMemory(bytes: number): boolean {
    const limit = this.spills ? this.memoryLimit * 0.75 : this.memoryLimit; // R2
    return this.take(bytes, limit);
  }

  releaseMemory(bytes: number): void {
    this.memoryUsed -= bytes;
    count('lb_replay_memory_bytes', -bytes);
  }

  /** @returns whether there was room; if so, closing the file gives it back */
  takeDisk(bytes: number): boolean {
    if (this.diskUsed + bytes > this.diskLimit) return false;
    this.diskUsed += bytes;
    count('lb_replay_disk_bytes', bytes);
    return true;
  }

  /** Undefined: there is no memory for it. */
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

  /** Counts a body that can no longer be sent again, and says so once a minute. */
  lost(reason: LossReason, error?: Error): void {
    this.note('a request body is not kept any further: its call can be offered to one runner only', reason, error);
  }

  /** Counts a detached call that is refused because its body cannot be held, and says so once a minute. */
  refused(reason: LossReason): void {
    this.note('the body of a detached call cannot be held: the call is refused', reason);
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
