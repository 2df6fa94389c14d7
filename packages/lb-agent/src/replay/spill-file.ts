import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Deferred } from '@fnfleet/core';
import { ByteBlocks } from './byte-blocks.js';

/** What is used of a file; node's `FileHandle`. */
export interface SpillHandle {
  write(data: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  read(data: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** A file that only this process can find: nobody else may open it, and it is gone with its descriptor, also after a crash. */
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
  /** Something that was not possible may be possible now: bytes have been written, or read back. */
  onProgress(): void;
  /** Once. No more bytes may be appended; what is there can still be read, as far as the disk gives it. */
  onFailure(error: Error): void;
}

/** A write that takes longer than this has failed: a client waits for it. Milliseconds. */
const WRITE_STALL_MS = 2_000;
/** The same for a read, without which the call fails. */
const READ_STALL_MS = 10_000;

/**
 * Bytes that go to a disk and may be read back.
 *
 *   append ──▶ backlog ──one write at a time──▶ file
 *                 └──────── read ◀───────────────┘
 *
 * S1  What is not in the file yet is in memory: a failed write loses nothing that was accepted.
 * S2  One read and one write are under way at most, and only a read that was asked for.
 * S3  A disk that hangs is a failure after a bounded time, but its buffers count as used until it lets go of them.
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

  /** @param pieceBytes most that is read at a time */
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
   * Some of the bytes from `offset` on, which must be less than `size`. Undefined: they are being read, `onProgress` follows.
   * Throws when they cannot be read.
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

  /** Resolves when it has been closed and the disk has let go of it. */
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
    // What is appended in this turn goes in one write.
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
    // In the same turn as the look at the backlog: an append after this starts another round.
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
      if (bytesWritten === 0) throw new Error('the disk takes no more bytes');
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

  /** Never rejects: a file that cannot be closed is none that could be used either. */
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
