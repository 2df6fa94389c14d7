import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Clock,
  count,
  countFromZero,
  FnError,
  type Logger,
  silentLogger,
  type Timer,
  TurnoverSet,
} from '@fnfleet/core';
import type { ChangeLog, Datastore } from '../datastore/datastore.js';
import type { ApiSettings } from '../settings.js';
import { EventStream } from './event-stream.js';
import { type FeedReader, type LocalListener, LocalReader } from './feed-reader.js';

/** Maximum number of changes that are read and sent in one go. */
const BATCH = 100;
/** Pause after the changes could not be read, milliseconds; longer with each failure in a row. */
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;
/** Positions come from clients; a longer one is none. */
const MAX_POSITION_LENGTH = 256;

export interface ChangeFeedsOptions {
  /** Maximum number of readers over HTTP. */
  readonly maxReaders: number;
  /** How often a reader without changes gets a sign of life, milliseconds. */
  readonly heartbeatMs: number;
  readonly clock: Clock;
  /** Uniform, 0 to below 1. Default: Math.random. */
  readonly random?: () => number;
  readonly logger?: Logger;
}

/** Creates the feeds of a node. */
export function newChangeFeeds(
  store: Pick<Datastore, 'changes'>,
  settings: Pick<ApiSettings, 'feedMaxReaders' | 'feedHeartbeatMs'>,
  deps: Pick<ChangeFeedsOptions, 'clock' | 'logger'>,
): ChangeFeeds {
  const { feedMaxReaders: maxReaders, feedHeartbeatMs: heartbeatMs } = settings;
  return new ChangeFeeds(store.changes, { maxReaders, heartbeatMs, ...deps });
}

interface Subscriber {
  readonly reader: FeedReader;
  /** The last position that the reader was given. Undefined: it has none, and begins at the newest. */
  position: string | undefined;
  /** Whether there may be changes after its position. */
  due: boolean;
  /** Whether it was waiting for its client at the last heartbeat. */
  wasFull: boolean;
}

/**
 * The readers of the change log of a node.
 *
 * E1  A reader gets every change after its position, in order, or `reset` if its position is unknown. It never skips one.
 * E2  Readers at the same position share one query, however many they are; queries run one after the other.
 * E3  A reader whose client does not read holds at most one batch. It gets no more until the client has read, and is
 *     dropped if that takes longer than a heartbeat.
 * E4  Readers end when the node drains, so that they do not delay it.
 */
export class ChangeFeeds {
  private readonly subscribers = new TurnoverSet<Subscriber>();
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly logger: Logger;
  private unsubscribe: (() => void) | undefined;
  private heartbeat: Timer | undefined;
  private retry: Timer | undefined;
  private failures = 0;
  private trouble: unknown;
  private isReading = false;
  private ended = false;
  private streams = 0;

  constructor(
    private readonly log: ChangeLog,
    private readonly options: ChangeFeedsOptions,
  ) {
    this.clock = options.clock;
    this.random = options.random ?? Math.random;
    this.logger = options.logger ?? silentLogger;
    countFromZero('feed_readers');
    countFromZero('feed_changes_sent');
    countFromZero('feed_readers_dropped');
  }

  /**
   * Handles `GET /v2/changes`: server-sent events, for operators and balancers.
   * @throws FnError `tooManyFeedReaders`
   */
  openStream(req: IncomingMessage, res: ServerResponse): void {
    const { maxReaders, heartbeatMs } = this.options;
    if (this.ended || this.streams >= maxReaders) throw new FnError('tooManyFeedReaders');
    this.streams += 1;
    const leave = this.add(new EventStream(res, heartbeatMs), positionIn(req));
    res.once('close', () => {
      this.streams -= 1;
      leave();
    });
  }

  /**
   * Adds a reader.
   * @param position where it has got to; undefined: at the newest change
   * @returns ends it; idempotent
   */
  add(reader: FeedReader, position?: string): () => void {
    const subscriber: Subscriber = { reader, position, due: true, wasFull: false };
    if (this.retry !== undefined && reader.fail(this.trouble)) return () => undefined;
    this.subscribers.add(subscriber);
    count('feed_readers');
    this.unsubscribe ??= this.log.subscribe(() => this.wake());
    this.heartbeat ??= this.clock.after(this.options.heartbeatMs, () => this.beat());
    reader.onReadable(() => {
      subscriber.wasFull = false;
      void this.read();
    });
    void this.read();
    return () => this.remove(subscriber);
  }

  /** Reports changes to a part of this process. @returns ends it; idempotent */
  follow(listener: LocalListener): () => void {
    return this.add(new LocalReader(listener));
  }

  /** Ends the readers over HTTP; there will be no more. Idempotent. */
  endStreams(): void {
    this.ended = true;
    this.endWhere((reader) => reader instanceof EventStream);
  }

  /** Ends all readers. Idempotent. */
  close(): void {
    this.ended = true;
    this.endWhere(() => true);
  }

  private endWhere(isMeant: (reader: FeedReader) => boolean): void {
    for (const subscriber of [...this.subscribers].filter(({ reader }) => isMeant(reader))) {
      this.remove(subscriber);
      subscriber.reader.end();
    }
  }

  private remove(subscriber: Subscriber): void {
    if (!this.subscribers.delete(subscriber)) return;
    count('feed_readers', -1);
    if (this.subscribers.size > 0) return;
    this.unsubscribe?.();
    this.heartbeat?.cancel();
    this.retry?.cancel();
    this.unsubscribe = undefined;
    this.heartbeat = undefined;
    this.retry = undefined;
  }

  private wake(): void {
    for (const subscriber of this.subscribers) subscriber.due = true;
    void this.read();
  }

  /** E2. Reads until no reader can get more. */
  private async read(): Promise<void> {
    if (this.isReading || this.retry !== undefined) return;
    this.isReading = true;
    try {
      for (let group = this.nextGroup(); group.length > 0; group = this.nextGroup()) await this.serve(group);
      this.failures = 0;
    } catch (error) {
      this.onFailure(error);
    } finally {
      this.isReading = false;
    }
  }

  /** Readers with the same position that can take more. */
  private nextGroup(): Subscriber[] {
    const able = [...this.subscribers].filter(({ due, reader }) => due && !reader.isFull);
    return able.filter(({ position }) => position === able[0]?.position);
  }

  private async serve(group: readonly Subscriber[]): Promise<void> {
    const position = group[0]?.position;
    // A change that arrives from here on makes them due again.
    for (const subscriber of group) subscriber.due = false;
    try {
      const changes = position === undefined ? undefined : await this.log.after(position, BATCH);
      if (changes === undefined) {
        const newest = await this.log.latest();
        for (const subscriber of this.stillThere(group)) {
          subscriber.position = newest;
          subscriber.reader.reset(newest);
        }
        return;
      }
      const last = changes.at(-1);
      for (const subscriber of this.stillThere(group)) {
        subscriber.reader.send(changes);
        if (last === undefined) continue;
        subscriber.position = last.position;
        subscriber.due ||= changes.length === BATCH;
        count('feed_changes_sent', changes.length);
      }
    } catch (error) {
      for (const subscriber of group) subscriber.due = true;
      throw error;
    }
  }

  private stillThere(group: readonly Subscriber[]): Subscriber[] {
    return group.filter((subscriber) => this.subscribers.has(subscriber));
  }

  /** Readers that have begun keep waiting; others can ask another node. */
  private onFailure(error: unknown): void {
    this.trouble = error;
    if (this.failures === 0) this.logger.warn('cannot read the changes of the database, retrying', { error });
    for (const subscriber of this.subscribers) {
      if (!subscriber.reader.hasBegun && subscriber.reader.fail(error)) this.remove(subscriber);
    }
    if (this.subscribers.size === 0) return;
    const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.failures, 30));
    this.failures += 1;
    this.retry = this.clock.after(ceiling / 2 + (this.random() * ceiling) / 2, () => {
      this.retry = undefined;
      void this.read();
    });
  }

  private beat(): void {
    this.heartbeat = this.clock.after(this.options.heartbeatMs, () => this.beat());
    for (const subscriber of this.subscribers) {
      const { reader } = subscriber;
      if (reader.isFull && subscriber.wasFull) {
        this.logger.info('a reader of the change feed does not read and is disconnected');
        count('feed_readers_dropped');
        this.remove(subscriber);
        reader.drop();
        continue;
      }
      subscriber.wasFull = reader.isFull;
      if (reader.hasBegun && !reader.isFull) reader.beat();
    }
  }
}

/** `Last-Event-ID`, which browsers send when they reconnect, or `?cursor=`. */
function positionIn(req: IncomingMessage): string | undefined {
  const query = new URLSearchParams(/\?(.*)$/s.exec(req.url ?? '')?.[1]);
  const position = [req.headers['last-event-id']].flat()[0] || query.get('cursor') || undefined;
  return position !== undefined && position.length > MAX_POSITION_LENGTH ? undefined : position;
}
