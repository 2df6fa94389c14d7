import { ByteBlocks } from './byte-blocks.js';
import type { LossReason, ReplayBudget } from './replay-budget.js';
import type { SpillFile } from './spill-file.js';

export interface ReplayStoreEvents {
  /** Called when the results of `isBehind` or `from` may have changed. */
  onProgress(): void;
  /** Called when nothing more can be kept. Kept bytes can still be read, if the disk works. */
  onFailure(error: Error): void;
}

/** The kept part of one body: its beginning in memory, the rest in a file. */
export class ReplayStore {
  private readonly memory = new ByteBlocks();
  private file: SpillFile | undefined;
  private closed = false;

  /** @param keepBytes maximum bytes kept in memory */
  constructor(
    private readonly keepBytes: number,
    private readonly budget: ReplayBudget,
    private readonly events: ReplayStoreEvents,
  ) {}

  /** Number of kept bytes, from the start of the body. */
  get size(): number {
    return this.memory.end + (this.file?.size ?? 0);
  }

  /** Memory in use. */
  get memoryBytes(): number {
    if (this.closed) return 0;
    return this.memory.size + (this.file === undefined ? 0 : this.budget.fileMemoryBytes);
  }

  /**
   * Whether the disk must catch up before these bytes (one chunk at most) can be kept. It does, or fails, in bounded
   * time.
   */
  isBehind(bytes: number): boolean {
    const { file, budget } = this;
    return file !== undefined && file.backlogBytes + bytes > 2 * budget.pieceBytes;
  }

  /** Keeps the next bytes. @returns the reason if it cannot. Not called after that, nor while it is behind. */
  keep(data: Buffer): LossReason | undefined {
    const { memory, budget } = this;
    if (this.file === undefined) {
      const fits = memory.size + data.length <= this.keepBytes;
      if (fits && budget.takeMemory(data.length)) {
        memory.push(data);
        return undefined;
      }
      if (!budget.spills) return fits ? 'memory_full' : 'too_long';
    }
    return this.spill(data);
  }

  /**
   * Returns some of the bytes from `offset` on, which must be less than `size`; undefined while the disk reads them.
   * Throws if the disk fails.
   */
  from(offset: number): Buffer | undefined {
    const { memory, file } = this;
    return offset < memory.end ? memory.from(offset) : file?.read(offset - memory.end);
  }

  /** Releases everything. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.budget.releaseMemory(this.memory.size);
    this.memory.clear();
    this.file?.close();
  }

  private spill(data: Buffer): LossReason | undefined {
    const { budget } = this;
    this.file ??= budget.newFile(this.events);
    if (this.file === undefined) return 'memory_full';
    if (!budget.takeDisk(data.length)) return 'disk_full';
    this.file.append(data);
    return undefined;
  }
}
