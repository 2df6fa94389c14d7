import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Deferred } from '@fnfleet/core';
import { ByteBlocks } from './byte-blocks.js';

/** The part of node's `FileHandle` that is used. */
export interface SpillHandle {
  write(data: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  read(data: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  /** Waits for pending operations. */
  close(): Promise<void>;
}

/** An anonymous file, which no other process can open and which disappears with its descriptor, even after a crash. */
export async function openUnnamed(directory: string): Promise<SpillHandle> {
  const path = join(directory, `fnfleet-replay-${randomUUID()}`);
  const handle = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return handle;
}

export interface SpillFileEvents {
  /** Called when bytes have been written or read back, so that a waiting operation can be retried. */
  onProgress(): void;
  /**
   * Called once when writing has failed. No more bytes may be appended; existing ones can still be read, if the disk
   * works.
   */
  onFailure(error: Error): void;
}

/** A write that takes longer counts as failed, because a client waits for it. Milliseconds. */
const WRITE_STALL_MS = 2_000;
/** The same limit for a read, without which the call fails. */
const READ_STALL_MS = 10_000;

/**
 * Writes bytes to disk and reads them back.
 *
 *   append ──▶ backlog ──one write at a time──▶ file
 *                 └──────── read ◀───────────────┘
 *
 * S1  Bytes that are not in the file yet are in memory: a failed write loses nothing that was accepted.
 * S2  At most one read and one write are pending, and reads happen only on request.
 * S3  A disk that hangs counts as failed after a bounded time, but its buffers count as used until it releases them.
 */
export class SpillFile {
  private readonly gone = new Deferred<void>();
  private readonly backlog = new ByteBlocks();
  private opening: Promise<SpillHandle> | undefined;
  private writing: Promise<void> | undefined;
  private reading: Promise<void> | undefined;
  private readBack: { readonly offset: number; readonly data: Buffer } | undefined;
  private failed = false;
  private readFailure: Error | undefined;
  private open = true;

  /** @param pieceBytes maximum bytes per read */
  constructor(
    private readonly openFile: () => Promise<SpillHandle>,
    private readonly clock: Pick<Clock, 'after'>,
    private readonly events: SpillFileEvents,
    private readonly pieceBytes: number,
  ) {}

  get size(): number {
    return this.backlog.end;
  }

  /** Bytes that have not been written. */
  get backlogBytes(): number {
    return this.backlog.size;
  }

  append(data: Buffer): void {
    this.backlog.push(data);
    this.writing ??= this.writeBacklog();
  }

  /**
   * Returns some of the bytes from `offset` on, which must be less than `size`. Returns undefined while they are being
   * read; `onProgress` follows. Throws when they cannot be read.
   */
  read(offset: number): Buffer | undefined {
    if (offset >= this.backlog.start) return this.backlog.from(offset);
    if (this.readBack?.offset === offset) {
      const { data } = this.readBack;
      this.readBack = undefined;
      return data;
    }
    if (this.readFailure) throw this.readFailure;
    this.readBack = undefined;
    this.reading ??= this.readFrom(offset);
    return undefined;
  }

  /** Resolves when the file is closed and the disk has released it. */
  get closed(): Promise<void> {
    return this.gone.promise;
  }

  /** Idempotent. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.backlog.clear();
    this.readBack = undefined;
    void this.letGo();
  }

  /** Never rejects. */
  private async writeBacklog(): Promise<void> {
    // Bytes appended in the same turn are written together.
    await Promise.resolve();
    while (this.open && !this.failed && this.backlogBytes > 0) {
      try {
        const bytesWritten = await this.write(this.backlog.from(this.backlog.start), this.backlog.start);
        if (!this.open) break;
        this.backlog.dropFront(bytesWritten);
        this.events.onProgress();
      } catch (error) {
        this.fail(error);
      }
    }
    // Must happen in the same turn as the check of the backlog: a later append starts another round.
    this.writing = undefined;
  }

  private async write(data: Buffer, position: number): Promise<number> {
    const stalled = this.clock.after(WRITE_STALL_MS, () => {
      this.fail(new Error(`a write to the disk took longer than ${WRITE_STALL_MS} ms`));
    });
    try {
      this.opening ??= this.openFile();
      const handle = await this.opening;
      if (!this.open) return 0;
      const { bytesWritten } = await handle.write(data, 0, data.length, position);
      if (bytesWritten === 0) throw new Error('the disk accepts no more bytes');
      return bytesWritten;
    } finally {
      stalled.cancel();
    }
  }

  /** Never rejects. */
  private async readFrom(offset: number): Promise<void> {
    const stalled = this.clock.after(READ_STALL_MS, () => {
      this.readFailure ??= new Error(`a read from the disk took longer than ${READ_STALL_MS} ms`);
      this.events.onProgress();
    });
    try {
      const data = Buffer.allocUnsafe(Math.min(this.pieceBytes, this.backlog.start - offset));
      const handle = await this.opening;
      const bytesRead = (await handle?.read(data, 0, data.length, offset))?.bytesRead ?? 0;
      if (bytesRead === 0) throw new Error(`the disk has lost byte ${offset}`);
      this.readBack = { offset, data: data.subarray(0, bytesRead) };
    } catch (error) {
      this.readFailure ??= asError(error);
    }
    stalled.cancel();
    this.reading = undefined;
    if (this.open) this.events.onProgress();
  }

  private fail(error: unknown): void {
    if (this.failed || !this.open) return;
    this.failed = true;
    this.events.onFailure(asError(error));
  }

  /** Never rejects: a file that cannot be closed could not be used either. */
  private async letGo(): Promise<void> {
    await this.writing;
    await this.reading;
    const handle = await this.opening?.catch(() => undefined);
    await handle?.close().catch(() => undefined);
    this.gone.resolve();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
