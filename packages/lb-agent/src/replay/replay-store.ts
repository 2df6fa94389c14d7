import { ByteBlocks } from './byte-blocks.js';
import type { LossReason, ReplayBudget } from './replay-budget.js';
import type { SpillFile } from './spill-file.js';

export interface ReplayStoreEvents {
  /** `isBehind` or `from` may say something else now. */
  onProgress(): void;
  /** Nothing more can be kept. What has been kept can still be read, as far as the disk gives it. */
  onFailure(error: Error): void;
}

/** What is kept of one body: its beginning in memory, the rest in a file. */
export class ReplayStore {
  private readonly memory = new ByteBlocks();
  private file: SpillFile | undefined;
  private closed = false;

  /** @param keepBytes most that is kept in memory */
  constructor(
    private readonly keepBytes: number,
    private readonly budget: ReplayBudget,
    private readonly events: ReplayStoreEvents,
  ) {}

  /** Bytes kept, counted from the first of the body. */
  get size(): number {
    return this.memory.end + (this.file?.size ?? 0);
  }

  /** Memory in use for it. */
  get memoryBytes(): number {
    if (this.closed) return 0;
    return this.memory.size + (this.file === undefined ? 0 : this.budget.fileMemoryBytes);
  }

  /** The disk has to catch up before as many bytes, a piece at most, can be kept. It does, or fails, in a bounded time. */
  isBehind(bytes: number): boolean {
    const { file, budget } = this;
    return file !== undefined && file.backlogBytes + bytes > 2 * budget.pieceBytes;
  }

  /** Keeps the next bytes. Not called after it has said why it cannot, nor while it is behind. */
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

  /** Some of the bytes from `offset` on, which must be less than `size`. Undefined: they come from the disk. Throws when they do not. */
  from(offset: number): Buffer | undefined {
    const { memory, file } = this;
    return offset < memory.end ? memory.from(offset) : file?.read(offset - memory.end);
  }

  /** Forgets everything. Idempotent. */
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
