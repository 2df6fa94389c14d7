import { type Clock, later, type MonoMs } from '@fnfleet/core';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { encodeEntry, isSamePart, type LogEntry } from './log-entry.js';
import { LogTrouble } from './log-trouble.js';

/** Codes of the API of JetStream. */
const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([10071, 10164]);
const STREAM_NOT_FOUND = 10059;
export const MESSAGE_NOT_FOUND = 10037;
/** Servers elect a leader, for example. */
const TEMPORARY: ReadonlySet<number> = new Set([10008, 10009]);
/** Room for the subject and the headers of a message. */
const OVERHEAD_BYTES = 1_024;
/** An acknowledgement that takes longer is asked for again. */
const ATTEMPT_MS = 1_500;
const REST_MS = 50;
const READ_MESSAGES = 32;
/** Also where servers accept larger messages. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** The shortest that the client accepts. */
const MIN_EXPIRY_MS = 1_000;
/** After this time the server forgets a reader that is gone. */
const READER_MS = 30_000;

export interface LogParts {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  /** Of an append. */
  readonly timeoutMs: number;
  /** Largest message that the server accepts. */
  readonly maxPayload: number;
  readonly ending: AbortSignal;
}

export interface StreamPlace {
  readonly stream: string;
  readonly subject: string;
}

/**
 * The transactions of a queue in their order, as the messages of a stream.
 *
 * L1  An entry is appended only at its place, right after the last message that the writer has read. Of several nodes that
 *     believe to lead, one can therefore write, and the others learn that they do not lead.
 * L2  `append` resolves when the stream has acknowledged the entry. If that is unknown, whoever reads the stream afterwards
 *     learns it.
 */
export class ReplicatedLog {
  /** Size of the stream, as of the last look at it. */
  bytes = 0;
  firstSequence = 1;

  constructor(
    private readonly parts: LogParts,
    private readonly place: StreamPlace,
    /** When the stream was created: another one is another log. */
    private readonly created: string,
  ) {}

  /** The sequence number of the last message, 0 if there never was one. @throws LogTrouble */
  async lastSequence(): Promise<number> {
    const { created, state } = await streamInfo(this.parts.manager, this.place.stream);
    if (created !== this.created) throw new LogTrouble('gap', `stream ${this.place.stream} was replaced by another`);
    this.bytes = state.bytes;
    this.firstSequence = state.first_seq;
    return state.last_seq;
  }

  /**
   * @param after the last message that the writer has read
   * @returns the sequence number of the last message of the entry
   * @throws LogTrouble `standby` if another node has written, `unconfirmed`, or `refused`
   */
  async append(after: number, entry: LogEntry): Promise<number> {
    const { clock, timeoutMs, maxPayload } = this.parts;
    const until = later(clock.now(), timeoutMs);
    let last = after;
    for (const part of encodeEntry(entry, messageBytes(maxPayload))) {
      try {
        last = await this.appendPart(last, part, until);
      } catch (error) {
        // Parts of it are in the log by now: the next entry goes elsewhere.
        if (last === after || !(error instanceof LogTrouble) || error.kind !== 'refused') throw error;
        throw new LogTrouble('unconfirmed', error.message, { cause: error });
      }
      this.bytes += part.length;
    }
    return last;
  }

  /** Those after a sequence number, up to another; from which the caller may stop reading at any time. @throws LogTrouble */
  async *read(after: number, upTo: number): AsyncGenerator<{ readonly seq: number; readonly data: Uint8Array }> {
    yield* readMessages(this.parts, this.place, after, upTo);
  }

  /** Forgets messages that a snapshot contains. */
  async forget(upTo: number): Promise<void> {
    // NATS 2.9 takes 1 for all.
    if (upTo > 0) await this.parts.manager.streams.purge(this.place.stream, { seq: upTo + 1 });
    await this.lastSequence();
  }

  /** L1; overridden by tests that need to see what it prevents. */
  protected async publish(data: Uint8Array, after: number, timeout: number): Promise<number> {
    const { seq } = await this.parts.client.publish(this.place.subject, data, {
      expect: { lastSequence: after },
      timeout,
      retries: 1,
    });
    return seq;
  }

  private async appendPart(after: number, data: Uint8Array, until: MonoMs): Promise<number> {
    const { clock, ending } = this.parts;
    /** Whether an earlier attempt may have been stored. */
    let isInDoubt = false;
    let cause: unknown;
    for (;;) {
      const left = until - clock.now();
      if (left <= 0 || ending.aborted) break;
      try {
        return await this.publish(data, after, Math.min(left, ATTEMPT_MS));
      } catch (error) {
        cause = error;
        if (error instanceof JetStreamApiError && !TEMPORARY.has(error.code)) {
          const isTaken = WRONG_LAST_SEQUENCE.has(error.code);
          if (isTaken && isInDoubt && (await this.isStored(after + 1, data))) return after + 1;
          if (isInDoubt) break;
          if (isTaken) throw new LogTrouble('standby', 'another node leads', { cause });
          throw new LogTrouble('refused', `stream ${this.place.stream}: ${error.message}`, { cause });
        }
      }
      isInDoubt = true;
      await clock.sleep(REST_MS, ending);
    }
    await this.mustExist();
    const { message } = cause as Error;
    throw new LogTrouble('unconfirmed', `no acknowledgement in time (${message})`, { cause });
  }

  /** A server without the stream does not answer, like one that is slow. @throws LogTrouble only if it is known to be gone */
  private async mustExist(): Promise<void> {
    await streamInfo(this.parts.manager, this.place.stream).catch((error: unknown) => {
      if (error instanceof LogTrouble && error.kind === 'setup') throw error;
    });
  }

  private async isStored(seq: number, data: Uint8Array): Promise<boolean> {
    try {
      const stored = await this.parts.manager.streams.getMessage(this.place.stream, { seq });
      return stored !== null && isSamePart(stored.data, data);
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === MESSAGE_NOT_FOUND) return false;
      throw new LogTrouble('unconfirmed', 'whether a change was stored is not known', { cause: error });
    }
  }
}

/** How much one message carries. */
export function messageBytes(maxPayload: number): number {
  return Math.min(maxPayload, MAX_MESSAGE_BYTES) - OVERHEAD_BYTES;
}

/** Reads in portions, so that a reader that is slow holds few messages. @throws LogTrouble */
export async function* readMessages(
  { manager, client, timeoutMs }: LogParts,
  { stream, subject }: StreamPlace,
  after: number,
  upTo: number,
): AsyncGenerator<{ readonly seq: number; readonly data: Uint8Array }> {
  const { name } = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    filter_subject: subject,
    inactive_threshold: nanos(READER_MS),
    mem_storage: true,
    num_replicas: 1,
  });
  try {
    const consumer = await client.consumers.get(stream, name);
    let seq = after;
    while (seq < upTo) {
      const before = seq;
      const portion = await consumer.fetch({
        max_messages: READ_MESSAGES,
        expires: Math.max(timeoutMs, MIN_EXPIRY_MS),
      });
      for await (const message of portion) {
        seq = message.seq;
        yield { seq, data: message.data };
        if (seq >= upTo) break;
      }
      if (seq === before) throw new LogTrouble('unreachable', `stream ${stream} cannot be read`);
    }
  } finally {
    await manager.consumers.delete(stream, name).catch(() => undefined);
  }
}

/** @throws LogTrouble if it does not exist, or no server answers */
export async function streamInfo(manager: JetStreamManager, stream: string): Promise<StreamInfo> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    throw streamTrouble(error as Error, stream);
  }
}

/**
 * Creates a stream unless it exists.
 * @param mustExist whether it was there before
 * @throws LogTrouble
 */
export async function ensureStream(
  manager: JetStreamManager,
  { stream, subject }: StreamPlace,
  { replicas, mustExist }: { readonly replicas: number; readonly mustExist: boolean },
): Promise<StreamInfo> {
  try {
    const info = await manager.streams.info(stream);
    mustKeepAll(info, subject);
    return info;
  } catch (error) {
    if (!isNotFound(error) || mustExist) throw streamTrouble(error as Error, stream);
  }
  try {
    return await manager.streams.add({
      name: stream,
      subjects: [subject],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      // A full stream must refuse, and not forget.
      discard: DiscardPolicy.New,
      num_replicas: replicas,
    });
  } catch (error) {
    throw new LogTrouble('setup', `stream ${stream} cannot be created: ${(error as Error).message}`, { cause: error });
  }
}

/** Others may have created the stream. */
function mustKeepAll({ config }: StreamInfo, subject: string): void {
  const wrong = [
    config.subjects?.join() === subject ? undefined : `has the subjects ${config.subjects?.join()} and not ${subject}`,
    config.retention === RetentionPolicy.Limits ? undefined : `has retention ${config.retention}`,
    config.max_age > 0 ? 'has a maximum age' : undefined,
    config.max_msgs_per_subject > 0 ? 'has a maximum for each subject' : undefined,
    config.discard === DiscardPolicy.New ? undefined : 'discards old messages when it is full',
  ].find((what) => what !== undefined);
  if (wrong === undefined) return;
  throw new LogTrouble('setup', `stream ${config.name} would lose messages: it ${wrong}`);
}

function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;
}

function streamTrouble(error: Error, stream: string): LogTrouble {
  if (error instanceof LogTrouble) return error;
  if (isNotFound(error)) {
    return new LogTrouble('setup', `stream ${stream} was deleted: restore it, or restart the nodes for an empty queue`);
  }
  return new LogTrouble('unreachable', `stream ${stream} cannot be reached (${error.message})`, { cause: error });
}
