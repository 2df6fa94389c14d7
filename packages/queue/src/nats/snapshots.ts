import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { LogTrouble } from './log-trouble.js';
import { type LogParts, MESSAGE_NOT_FOUND, messageBytes, readMessages, streamInfo } from './replicated-log.js';

/** A copy of the file of a queue that is in the stream of snapshots. */
export interface Snapshot {
  readonly id: string;
  /** The last message of the log that it contains. */
  readonly position: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Sequence numbers of the first and the last message of the copy. */
  readonly first: number;
  readonly last: number;
}

/** The latest snapshot, and where it is announced. */
interface Announced {
  readonly seq: number;
  readonly snapshot: Snapshot | undefined;
}

/** The snapshots of a queue: files in a stream of their own, so that nobody reads the log from its beginning. */
export class Snapshots {
  constructor(
    private readonly parts: LogParts,
    private readonly stream: string,
    private readonly subjects: string,
  ) {}

  async latest(): Promise<Snapshot | undefined> {
    return (await this.announced()).snapshot;
  }

  /** @throws LogTrouble `gap` if a newer snapshot has replaced it meanwhile */
  async download({ id, first, last, bytes, sha256 }: Snapshot, path: string): Promise<void> {
    const hash = createHash('sha256');
    const file = await open(path, 'wx', 0o600);
    try {
      let written = 0;
      const place = { stream: this.stream, subject: this.subject(id) };
      for await (const { data } of readMessages(this.parts, place, first - 1, last)) {
        hash.update(data);
        written += data.length;
        if (written > bytes) break;
        await writeAll(file, data);
      }
      if (hash.digest('hex') !== sha256) throw new LogTrouble('gap', 'a snapshot is incomplete');
    } finally {
      await file.close();
    }
  }

  /**
   * Stores a file, and forgets those before it.
   * @returns false if somebody else has stored one meanwhile
   */
  async upload(file: FileHandle, position: number, signal: AbortSignal): Promise<boolean> {
    const before = await this.announced();
    const id = randomBytes(12).toString('hex');
    const { client, maxPayload, timeoutMs } = this.parts;
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(messageBytes(maxPayload));
    let [bytes, first, last] = [0, 0, 0];
    for (;;) {
      if (signal.aborted) return false;
      const { bytesRead } = await file.read(buffer, 0, buffer.length, bytes);
      if (bytesRead === 0) break;
      // The client may keep it until it has been sent.
      const data = Uint8Array.from(buffer.subarray(0, bytesRead));
      const { seq } = await client.publish(this.subject(id), data, { timeout: timeoutMs });
      hash.update(data);
      bytes += bytesRead;
      first ||= seq;
      last = seq;
    }
    const snapshot: Snapshot = { id, position, bytes, sha256: hash.digest('hex'), first, last };
    try {
      await client.publish(this.subject('latest'), JSON.stringify(snapshot), {
        expect: { lastSubjectSequence: before.seq },
        timeout: timeoutMs,
      });
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      await this.parts.manager.streams.purge(this.stream, { filter: this.subject(id) });
      return false;
    }
    // NATS 2.9 takes 1 for all.
    if (first > 1) await this.parts.manager.streams.purge(this.stream, { seq: first });
    return true;
  }

  private async announced(): Promise<Announced> {
    try {
      const message = await this.parts.manager.streams.getMessage(this.stream, {
        last_by_subj: this.subject('latest'),
      });
      return message === null
        ? { seq: 0, snapshot: undefined }
        : { seq: message.seq, snapshot: message.json<Snapshot>() };
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === MESSAGE_NOT_FOUND)
        return { seq: 0, snapshot: undefined };
      await streamInfo(this.parts.manager, this.stream);
      throw new LogTrouble('unreachable', `stream ${this.stream} cannot be read`, { cause: error });
    }
  }

  private subject(name: string): string {
    return this.subjects.replace('*', name);
  }
}

async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let from = 0; from < data.length; ) {
    const { bytesWritten } = await file.write(data, from);
    from += bytesWritten;
  }
}
