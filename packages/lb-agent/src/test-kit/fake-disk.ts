import type { SpillHandle } from '../replay/spill-file.js';

/** Faults of a disk. Operations are counted from 1, over all files. */
export interface DiskFaults {
  readonly opens?: boolean;
  readonly writesFrom?: number;
  readonly readsFrom?: number;
  /** Maximum bytes of a single write or read. */
  readonly shortBytes?: number;
}

/** Files in memory, on a simulated disk that can be slow or stalled. */
export class FakeDisk {
  openHandles = 0;
  opened = 0;
  writes = 0;
  reads = 0;
  /** While set, operations wait for it. */
  gate: Promise<void> | undefined;

  constructor(readonly faults: DiskFaults = {}) {}

  readonly open = async (): Promise<SpillHandle> => {
    await this.turn();
    if (this.faults.opens) throw new Error('EMFILE: too many open files');
    this.openHandles += 1;
    this.opened += 1;
    return this.handle();
  };

  private handle(): SpillHandle {
    const content = new Map<number, number>();
    const { faults } = this;
    return {
      write: async (data, offset, length, position) => {
        this.writes += 1;
        const fails = this.writes >= (faults.writesFrom ?? Number.POSITIVE_INFINITY);
        await this.turn();
        if (fails) throw new Error('ENOSPC: no space left on device');
        const bytesWritten = Math.min(length, faults.shortBytes ?? length);
        for (let i = 0; i < bytesWritten; i += 1) content.set(position + i, data[offset + i] ?? 0);
        return { bytesWritten };
      },
      read: async (data, offset, length, position) => {
        this.reads += 1;
        const fails = this.reads >= (faults.readsFrom ?? Number.POSITIVE_INFINITY);
        await this.turn();
        if (fails) throw new Error('EIO: i/o error');
        let bytesRead = 0;
        for (; bytesRead < Math.min(length, faults.shortBytes ?? length); bytesRead += 1) {
          const byte = content.get(position + bytesRead);
          if (byte === undefined) break;
          data[offset + bytesRead] = byte;
        }
        return { bytesRead };
      },
      close: async () => {
        await this.turn();
        this.openHandles -= 1;
      },
    };
  }

  private async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.gate;
  }
}
