import { resolve } from 'node:path';
import { type Clock, FnError, LONG_AGO, type Logger, later, type MonoMs, Once, SettingsError } from '@fnfleet/core';
import type { NodeAppOptions } from '@fnfleet/http';
import { checkQueueUrl, type MessageQueue, openQueue, queueExists } from '@fnfleet/queue';
import { sqliteFile, sqlitePath, sqliteUrl } from '@fnfleet/sqlite';
import type { CallbackSender } from '../callbacks/callback-sender.js';
import { callbackTerms, newCallbackSender } from '../callbacks/new-callbacks.js';
import type { Datastore } from '../datastore/datastore.js';
import type { ChangeFeeds } from '../feed/change-feeds.js';
import type { ApiSettings } from '../settings.js';
import { TermsOfFunctions } from './owners-terms.js';
import { LimitsFollower, policyTerms } from './policies.js';
import { QueueMeter } from './queue-meter.js';

/** Minimum time between two attempts to open the queue, milliseconds. */
const RETRY_MS = 1_000;
/** How often a node that nobody has asked for its queue looks whether it still has something to deliver, or can be opened. */
const LEFT_MS = 1_000;
const LEFT_FAILED_MS = 15_000;

/** The queue of asynchronous calls, as the routes of a node see it. */
export interface QueueAccess {
  /** Whether the node has a queue, although it may not be available now. */
  readonly exists: boolean;
  /**
   * Opens the queue at the first call.
   * @throws FnError `asyncUnsupported` if the node has none, `queueUnavailable` if it cannot be opened now
   */
  open(): Promise<MessageQueue>;
  /** Makes a change if the queue is open. Failures are only logged. */
  whenOpen(change: (queue: MessageQueue) => Promise<void>): Promise<void>;
  /** A function or an app has changed: what its owner has set for calls applies to the next one. */
  forget(id: string): void;
  /** Aborts when the node drains: long polls end. */
  readonly ending: AbortSignal;
}

export interface QueueAccessParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The functions, whose owners set how their calls are run. */
  readonly store: Pick<Datastore, 'fns' | 'apps'>;
  readonly feeds: Pick<ChangeFeeds, 'follow'>;
  /** Opens a queue; by default the one that FN_MQ_URL names. */
  readonly openQueue?: () => Promise<MessageQueue>;
  /** Whether there is a queue to open; by default the one that FN_MQ_URL names. */
  readonly queueExists?: () => Promise<boolean>;
}

/**
 * Opens the queue when it is first used. A node must start although another process has the file open, because several API nodes
 * may share it; it takes over when that process ends.
 */
export class LazyQueue implements QueueAccess {
  private readonly stop = new AbortController();
  private readonly opener: (() => Promise<MessageQueue>) | undefined;
  private readonly exister: () => Promise<boolean>;
  /** One process has it open at a time. */
  private readonly isFile: boolean;
  /** Whether anybody has asked for the queue. */
  private isWanted = false;
  private left: Promise<void> | undefined;
  private releasing: Promise<void> | undefined;
  private opening: Promise<MessageQueue> | undefined;
  private failedAt: MonoMs = LONG_AGO;
  private said = '';
  private meter: QueueMeter | undefined;
  private sender: CallbackSender | undefined;
  private readonly terms: TermsOfFunctions;
  private unfollow: (() => void) | undefined;
  private readonly closing = new Once(() => this.shut());

  constructor(
    private readonly settings: ApiSettings,
    private readonly parts: QueueAccessParts,
  ) {
    const url = queueUrl(settings);
    this.isFile = url !== undefined && sqlitePath(url) !== undefined;
    const { clock, logger, store } = parts;
    this.terms = new TermsOfFunctions(store, clock, [policyTerms, callbackTerms(settings, clock)]);
    const open = () => openQueue({ ...settings, mqUrl: url ?? '' }, { clock, logger });
    this.opener = url === undefined ? undefined : (parts.openQueue ?? open);
    this.exister = parts.queueExists ?? (async () => url !== undefined && (await queueExists(url)));
  }

  get exists(): boolean {
    return this.opener !== undefined;
  }

  get ending(): AbortSignal {
    return this.stop.signal;
  }

  open(): Promise<MessageQueue> {
    this.isWanted = true;
    return this.opened();
  }

  /** Delivers the callbacks that an earlier process has left in the queue, although nobody may ask for the queue for long. */
  deliverLeft(): void {
    this.left ??= this.whileLeft();
  }

  private async opened(): Promise<MessageQueue> {
    const { opener } = this;
    const { clock, logger } = this.parts;
    if (opener === undefined) throw new FnError('asyncUnsupported');
    await this.releasing;
    if (this.closing.called) throw new FnError('queueUnavailable');
    if (this.opening === undefined) {
      if (clock.now() < later(this.failedAt, RETRY_MS)) throw new FnError('queueUnavailable');
      this.opening = this.openWith(opener);
    }
    try {
      return await this.opening;
    } catch (error) {
      this.opening = undefined;
      this.failedAt = clock.now();
      const { message } = error as Error;
      if (message !== this.said) logger.warn('the queue of asynchronous calls cannot be opened', { error });
      this.said = message;
      throw new FnError('queueUnavailable', { cause: error });
    }
  }

  async whenOpen(change: (queue: MessageQueue) => Promise<void>): Promise<void> {
    if (this.opening === undefined || this.closing.called) return;
    try {
      await change(await this.opening);
    } catch (error) {
      this.parts.logger.warn('the queue of asynchronous calls was not changed', { error });
    }
  }

  forget(id: string): void {
    this.terms.forget(id);
  }

  /** A handler for `GET /metrics` that shows how much the queue holds now. */
  measured(metrics: NodeAppOptions['metrics']): NodeAppOptions['metrics'] {
    if (metrics === undefined) return undefined;
    return async (req, res) => {
      await this.meter?.refresh();
      await metrics(req, res);
    };
  }

  /** Long polls end, and no more callbacks are taken; everything else goes on until `close`. Idempotent. */
  end(): void {
    this.stop.abort();
    this.sender?.stop();
  }

  /** Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private async openWith(opener: () => Promise<MessageQueue>): Promise<MessageQueue> {
    const { clock, logger, store } = this.parts;
    this.meter = new QueueMeter(await opener(), clock);
    const queue = this.terms.of(this.meter.queue);
    // It begins with a reset, because limits may have changed while the queue was not open.
    const follower = new LimitsFollower({ terms: this.terms, whenOpen: (change) => this.whenOpen(change) });
    this.unfollow = this.parts.feeds.follow(follower);
    // Whoever has opened the queue delivers, so that a file is not opened by a node that balancers do not use.
    const parts = { fns: store.fns, clock, logger };
    if (!this.stop.signal.aborted) this.sender = newCallbackSender(queue, this.settings, parts);
    return queue;
  }

  /** Never rejects. */
  private async whileLeft(): Promise<void> {
    const { clock, logger } = this.parts;
    const { signal } = this.stop;
    while (!signal.aborted && !this.isWanted) {
      let restMs = LEFT_MS;
      try {
        if (!(await this.exister())) return;
        const queue = await this.opened();
        // What nodes share may stay open: a request that arrives while it closes would wait, or be refused until it leads again.
        if (!this.isFile) return;
        const { deliveries } = await queue.stats();
        // Whoever uses it keeps it open. Otherwise the file is left to other processes.
        if (deliveries === 0 && !this.isWanted) return void (await this.release());
      } catch (error) {
        logger.debug('whether callbacks wait is not known yet', { error });
        restMs = LEFT_FAILED_MS;
      }
      await clock.sleep(restMs, signal);
    }
  }

  private release(): Promise<void> {
    const { opening } = this;
    this.opening = undefined;
    this.releasing = this.shutQueue(opening);
    return this.releasing;
  }

  private async shut(): Promise<void> {
    this.end();
    await this.left;
    await this.releasing;
    await this.shutQueue(this.opening);
  }

  /** Never rejects. */
  private async shutQueue(opening: Promise<MessageQueue> | undefined): Promise<void> {
    const queue = await opening?.catch(() => undefined);
    const { sender, meter, unfollow } = this;
    unfollow?.();
    await sender?.close();
    await queue?.close();
    meter?.end();
  }
}

/** @throws SettingsError when FN_MQ_URL names no known kind of store, or the file of the database */
export function checkQueueSettings({ dbUrl, mqUrl }: Pick<ApiSettings, 'dbUrl' | 'mqUrl'>): void {
  if (!mqUrl) return;
  checkQueueUrl(mqUrl);
  const [queue, database] = [mqUrl, dbUrl].map(sqliteFile);
  if (queue !== undefined && database !== undefined && resolve(queue) === resolve(database)) {
    throw new SettingsError(['FN_MQ_URL: names the file of FN_DB_URL; a queue has a file of its own']);
  }
}

/** The URL of the queue; undefined if the node has none. */
export function queueUrl({ dbUrl, mqUrl }: Pick<ApiSettings, 'dbUrl' | 'mqUrl'>): string | undefined {
  if (mqUrl) return mqUrl;
  // A database that nodes share has room for a queue that they share.
  if (/^postgres(ql)?:/.test(dbUrl)) return dbUrl;
  // A database that is lost with its process has no file to put a queue beside.
  const file = sqliteFile(dbUrl);
  return file && sqliteUrl(besideDatabase(file));
}

/** Where the queue of a database in a file is, unless FN_MQ_URL says otherwise. */
export function besideDatabase(path: string): string {
  return `${path.replace(/(\.\w+)?$/, '')}-mq.db`;
}
