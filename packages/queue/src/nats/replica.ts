import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { QueueFile } from '../sqlite/queue-file.js';
import { EntryReader } from './log-entry.js';
import { LogTrouble } from './log-trouble.js';
import type { ReplicatedLog } from './replicated-log.js';
import type { Snapshots } from './snapshots.js';

/** Entries that are applied in one transaction; in between, others have their turn. */
const TOGETHER = 32;
/** A snapshot may be replaced while it is read. */
const MAX_LOADS = 5;

/**
 * The queue as a node has it, in a file that is deleted as soon as it is open: the log is the truth, and a node that starts reads it
 * again.
 */
export class Replica {
  private readonly entries = new EntryReader();
  /** The last message of the last complete entry. */
  applied: number;

  private constructor(
    readonly file: QueueFile,
    /** For snapshots. */
    readonly handle: FileHandle,
    private readonly log: ReplicatedLog,
    /** The last message of the log that this has read. */
    public position: number,
  ) {
    this.applied = position;
  }

  /**
   * Reads the latest snapshot and what follows it.
   * @param folder for the file
   * @throws LogTrouble
   */
  static async load(log: ReplicatedLog, snapshots: Snapshots, folder: string): Promise<Replica> {
    for (let load = 1; ; load += 1) {
      const last = await log.lastSequence();
      const replica = await Replica.begin(log, snapshots, folder);
      try {
        await replica.follow(last);
        return replica;
      } catch (error) {
        await replica.close();
        if (!(error instanceof LogTrouble) || error.kind !== 'gap' || load === MAX_LOADS) throw error;
      }
    }
  }

  private static async begin(log: ReplicatedLog, snapshots: Snapshots, folder: string): Promise<Replica> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const own = mkdtempSync(join(folder, 'fnfleet-mq-'));
    try {
      const path = join(own, 'copy.db');
      const snapshot = await snapshots.latest();
      if (snapshot !== undefined) await snapshots.download(snapshot, path);
      const file = QueueFile.openCopy(path);
      try {
        return new Replica(file, await open(path), log, snapshot?.position ?? 0);
      } catch (error) {
        file.close();
        throw error;
      }
    } finally {
      rmSync(own, { recursive: true });
    }
  }

  /** Applies the entries of the log up to a message. @throws LogTrouble */
  async follow(upTo: number): Promise<void> {
    if (upTo < this.position) throw new LogTrouble('gap', 'the log has lost its last entries');
    if (upTo === this.position) return;
    let left = TOGETHER;
    this.file.begin(false);
    try {
      for await (const { seq, data } of this.log.read(this.position, upTo)) {
        if (seq !== this.position + 1) throw new LogTrouble('gap', `the log has no message ${this.position + 1}`);
        this.apply(seq, data);
        left -= 1;
        if (left > 0) continue;
        left = TOGETHER;
        this.file.commit();
        this.file.begin(false);
      }
    } catch (error) {
      // What was read before the server went away is complete.
      if (!(error instanceof LogTrouble)) {
        throw new LogTrouble('unreachable', `the log cannot be read (${(error as Error).message})`, { cause: error });
      }
      throw error;
    } finally {
      this.file.commit();
    }
  }

  private apply(seq: number, data: Uint8Array): void {
    const entry = this.entries.add(data);
    if (entry !== undefined) {
      try {
        this.file.apply(entry.changes);
      } catch (error) {
        throw new LogTrouble('gap', `message ${seq} of the log does not fit: ${(error as Error).message}`);
      }
      if (entry.mark !== undefined) this.file.mark(entry.mark);
      this.applied = seq;
    }
    this.position = seq;
  }

  /** An entry of this node was appended. */
  wrote(last: number): void {
    this.position = last;
    this.applied = last;
  }

  async close(): Promise<void> {
    this.file.close();
    await this.handle.close();
  }
}
