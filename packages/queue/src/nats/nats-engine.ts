import { randomUUID } from 'node:crypto';
import { type Clock, LONG_AGO, later, type MonoMs } from '@fnfleet/core';
import { jetstream } from '@nats-io/jetstream';
import { errors, type Msg, RequestError, type Subscription } from '@nats-io/transport-node';
import type { QueueBounds } from '../bounds.js';
import type { BatchAnswer, Operation, ThreadRequest } from '../operations.js';
import type { TimeMark } from '../queue-time.js';
import { type BatchPlace, executeBatch, type OpenedQueue, type PendingTransaction } from '../sqlite/batch.js';
import { isOfTheFile } from '../sqlite/queue-engine.js';
import { forgetFunctions, QueueStore } from '../sqlite/queue-store.js';
import { Records } from '../sqlite/records.js';
import { LogTrouble, logProblemOf } from './log-trouble.js';
import { connectNats, mustBeDurable, type NatsServer } from './nats-server.js';
import { type NatsTarget, parseNatsUrl } from './nats-url.js';
import { Replica } from './replica.js';
import { ensureStream, type LogParts, ReplicatedLog, type StreamPlace, streamInfo } from './replicated-log.js';
import { Snapshots } from './snapshots.js';

/** An answer to `lead` comes within this time, also if it is not yet known who leads. */
const ANSWER_MS = 2_000;
/** Time limit for a leader to say that it is there. */
const PING_MS = 1_000;
/** A leader that is connected, but has not answered so often in a row, is no leader any more. */
const MAX_SILENCES = 3;
/** A leader looks whether it still leads before it says so, unless it was sure this recently. */
const SURE_MS = 1_000;
/** Of new streams in a cluster. */
const CLUSTER_REPLICAS = 3;
/** A log is replaced by a snapshot when it is larger than this, and than the queue several times. */
const MIN_LOG_BYTES = 64 * 1024 * 1024;
const LOG_FACTOR = 3;
/** After a snapshot failed. */
const SNAPSHOT_REST_MS = 30_000;

export interface NatsEngineOptions {
  readonly url: string;
  readonly bounds: QueueBounds;
  /** Of a change. */
  readonly timeoutMs: number;
  readonly allowUnsynced: boolean;
  /** For the copy of the queue. */
  readonly folder: string;
  /** The queue was there before: it is not created again if it is gone. */
  readonly mustExist?: boolean;
  readonly minLogBytes?: number;
}

export type NatsRequest =
  | Exclude<ThreadRequest, { readonly kind: 'batch' }>
  /** `term`: of whom it was meant for. */
  | (Extract<ThreadRequest, { readonly kind: 'batch' }> & { readonly term: string })
  /** Takes the lead unless another node has it. */
  | { readonly kind: 'lead' };

export type NatsReply = BatchAnswer | LeadAnswer;

export interface LeadAnswer {
  /** Differs each time that this node has taken the lead; undefined if it does not lead. */
  readonly term: string | undefined;
  /** The time that the queue has recorded last. */
  readonly mark: TimeMark | undefined;
  /** What an operator should know. */
  readonly trouble: string | undefined;
}

export interface NatsEngineParts {
  readonly clock: Clock;
  /** For tests that need to see what the log prevents. */
  readonly newLog?: (...args: ConstructorParameters<typeof ReplicatedLog>) => ReplicatedLog;
}

/** What a connection leads to. */
interface Session {
  readonly server: NatsServer;
  readonly log: ReplicatedLog;
  readonly snapshots: Snapshots;
  isConnected: boolean;
  replica: Replica | undefined;
}

interface Lead {
  readonly term: string;
  readonly log: ReplicatedLog;
  readonly replica: Replica;
  readonly questions: Subscription;
  /** Undefined after a failure: it is read again. */
  opened: OpenedQueue | undefined;
  /** The log has it, or may have it. */
  appended: PendingTransaction | undefined;
  isLost: boolean;
}

/**
 * Executes the batches of a queue on a local copy, and is done with each when the log has its changes.
 *
 * N1  One node leads and executes the operations; others follow. To lead, a node appends an entry: L1.
 * N2  A batch that changes something is acknowledged when the log has it. One that changes nothing is answered when the log
 *     shows that no other node has written meanwhile.
 * N3  A node whose entry was refused because of another, or may be lost, leads no more. It reads the log before it may lead
 *     again, and so learns what became of it.
 * N4  A leader whose connection is gone is replaced at once, one that is silent after some seconds. If it was there after all, it
 *     learns with its next entry that it leads no more.
 */
export class NatsEngine implements BatchPlace {
  readonly problemOf = logProblemOf;
  private readonly target: NatsTarget;
  private session: Session | undefined;
  private lead: Lead | undefined;
  private taking: Promise<void> | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private mustExist: boolean;
  private silences = 0;
  private sureAt: MonoMs = LONG_AGO;
  private isAnswering = false;
  private compaction: Promise<void> | undefined;
  private compactAfter: MonoMs = LONG_AGO;
  private trouble: string | undefined;
  private readonly ending = new AbortController();

  /** @throws SettingsError */
  constructor(
    private readonly options: NatsEngineOptions,
    private readonly parts: NatsEngineParts,
  ) {
    this.target = parseNatsUrl(options.url);
    this.mustExist = options.mustExist ?? false;
  }

  /** @throws LogTrouble, or the error of SQLite */
  async handle(request: NatsRequest): Promise<NatsReply | undefined> {
    switch (request.kind) {
      case 'lead':
        return await this.takeLead();
      case 'batch':
        return await this.batch(request);
      case 'lastMark':
        return this.leadAnswer();
      case 'close':
        await this.close();
        return undefined;
    }
  }

  usable(): OpenedQueue {
    const { lead } = this;
    if (lead === undefined || lead.isLost) throw new LogTrouble('standby', 'this node does not lead');
    lead.opened ??= this.open(lead.replica);
    return lead.opened;
  }

  forget(): void {
    const { lead } = this;
    if (lead === undefined) return;
    lead.opened = undefined;
    lead.replica.file.rollback();
    // The log is ahead of the copy.
    if (lead.appended?.isCommitted === false) lead.isLost = true;
  }

  concernsAll(error: unknown): boolean {
    return error instanceof LogTrouble || isOfTheFile(error);
  }

  private open({ file }: Replica): OpenedQueue {
    const store = new QueueStore(file, this.options.bounds);
    return { file, store, records: new Records(file, store) };
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.turn.then(act);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private batch({ operations, time, term }: Extract<NatsRequest, { kind: 'batch' }>): Promise<BatchAnswer> {
    const { clock } = this.parts;
    const until = later(clock.now(), this.options.timeoutMs);
    return this.inTurn(async () => {
      if (this.lead?.term !== term) throw new LogTrouble('standby', 'this node does not lead');
      // Its callers have given up.
      if (clock.now() > until) throw new LogTrouble('unconfirmed', 'the changes before it took too long');
      try {
        return await this.execute(operations, time);
      } finally {
        if (this.lead?.isLost) await this.loseLead();
        else this.compactIfLarge();
      }
    });
  }

  private async execute(operations: readonly Operation[], time: TimeMark): Promise<BatchAnswer> {
    const steps = executeBatch(this, operations, time);
    let step = steps.next();
    while (!step.done) {
      const failure = await this.makeDurable(step.value);
      step = failure === undefined ? steps.next() : steps.throw(failure);
    }
    return step.value;
  }

  /** N2 @returns why not */
  private async makeDurable(pending: PendingTransaction): Promise<Error | undefined> {
    const { lead } = this;
    if (lead === undefined) return new LogTrouble('standby', 'this node does not lead');
    const { log, replica } = lead;
    const startedAt = this.parts.clock.now();
    try {
      if (pending.isChange) {
        const last = await log.append(replica.position, { mark: pending.time, changes: pending.file.changes() });
        lead.appended = pending;
        replica.wrote(last);
      } else if ((await log.lastSequence()) !== replica.position) {
        throw new LogTrouble('standby', 'another node leads');
      }
      this.sureAt = startedAt;
      return undefined;
    } catch (error) {
      // N3
      if (!(error instanceof LogTrouble) || error.kind !== 'refused') lead.isLost = true;
      return error as Error;
    }
  }

  private leadAnswer(): LeadAnswer {
    const { lead, trouble } = this;
    return { term: lead?.term, mark: lead?.replica.file.lastMark, trouble };
  }

  private async takeLead(): Promise<LeadAnswer> {
    if (this.lead !== undefined) return this.leadAnswer();
    this.taking ??= this.inTurn(() => this.tryToLead()).finally(() => {
      this.taking = undefined;
    });
    const { taking } = this;
    taking.catch(() => undefined);
    const enough = new AbortController();
    try {
      await Promise.race([taking, this.parts.clock.sleep(ANSWER_MS, enough.signal)]);
    } finally {
      enough.abort();
    }
    return this.leadAnswer();
  }

  private async tryToLead(): Promise<void> {
    try {
      this.mustRun();
      const session = await this.connected();
      session.replica ??= await Replica.load(session.log, session.snapshots, this.options.folder);
      await session.replica.follow(await session.log.lastSequence());
      if (!(await this.anotherLeads(session))) {
        await this.mustBeDurable(session.server);
        await this.claim(session, session.replica);
      }
      this.trouble = undefined;
    } catch (error) {
      this.trouble = (error as Error).message;
      const { kind } = error as { kind?: unknown };
      // The next attempt begins with the latest snapshot.
      if (kind === 'gap' || !(error instanceof LogTrouble)) await this.endSession();
      throw error;
    }
  }

  private async connected(): Promise<Session> {
    const { session } = this;
    if (session !== undefined && !session.server.connection.isClosed()) {
      if (session.isConnected) return session;
      throw new LogTrouble('unreachable', `no server answers at ${this.target.servers.join(', ')}`);
    }
    await this.endSession();
    const server = await connectNats(this.target, this.options.timeoutMs);
    try {
      this.session = await this.begin(server);
      return this.session;
    } catch (error) {
      await server.connection.close();
      throw error;
    }
  }

  private async begin(server: NatsServer): Promise<Session> {
    const { target, mustExist } = this;
    const { timeoutMs } = this.options;
    const { connection, manager } = server;
    const { cluster, max_payload: maxPayload } = connection.info as { cluster?: string; max_payload: number };
    const replicas = target.replicas ?? (cluster === undefined ? 1 : CLUSTER_REPLICAS);
    const place: StreamPlace = { stream: `${target.name}-log`, subject: `${target.name}.log` };
    const copies: StreamPlace = { stream: `${target.name}-snapshots`, subject: `${target.name}.snapshots.*` };
    const { created } = await ensureStream(manager, place, { replicas, mustExist });
    await ensureStream(manager, copies, { replicas, mustExist });
    await this.mustBeDurable(server);
    this.mustExist = true;
    const parts: LogParts = {
      client: jetstream(connection, { timeout: timeoutMs }),
      manager,
      clock: this.parts.clock,
      timeoutMs,
      maxPayload,
      ending: this.ending.signal,
    };
    const newLog = this.parts.newLog ?? ((...args) => new ReplicatedLog(...args));
    const session: Session = {
      server,
      log: newLog(parts, place, created),
      snapshots: new Snapshots(parts, copies.stream, copies.subject),
      isConnected: true,
      replica: undefined,
    };
    void watchConnection(session);
    return session;
  }

  /** When a node connects, and when it is about to lead: servers and streams may be configured anew. */
  private async mustBeDurable(server: NatsServer): Promise<void> {
    const { allowUnsynced, timeoutMs } = this.options;
    if (allowUnsynced) return;
    for (const stream of ['log', 'snapshots']) {
      const info = await streamInfo(server.manager, `${this.target.name}-${stream}`);
      await mustBeDurable(server, info, this.target, timeoutMs);
    }
  }

  /** N4 */
  private async anotherLeads({ server: { connection } }: Session): Promise<boolean> {
    try {
      await connection.request(this.questions, undefined, { timeout: PING_MS });
      this.silences = 0;
      return true;
    } catch (error) {
      if (error instanceof RequestError && error.isNoResponders()) return false;
      if (!(error instanceof errors.TimeoutError)) {
        const kind = error instanceof errors.PermissionViolationError ? 'setup' : 'unreachable';
        throw new LogTrouble(kind, (error as Error).message, { cause: error });
      }
      this.silences += 1;
      return this.silences < MAX_SILENCES;
    }
  }

  /** Leads, unless another node has written since the log was read. */
  private async claim({ server, log }: Session, replica: Replica): Promise<void> {
    const { file } = replica;
    const questions = server.connection.subscribe(this.questions, { callback: (_, message) => this.answer(message) });
    try {
      file.begin();
      forgetFunctions(file);
      const last = await log.append(replica.position, { mark: file.lastMark, changes: file.changes() });
      file.commit();
      replica.wrote(last);
    } catch (error) {
      questions.unsubscribe();
      file.rollback();
      if (error instanceof LogTrouble && error.kind === 'standby') return;
      throw error;
    }
    this.silences = 0;
    // Also those of a thread that has replaced another must differ.
    this.lead = { term: randomUUID(), log, replica, questions, opened: undefined, appended: undefined, isLost: false };
  }

  /** Where a leader is asked whether it is there. */
  private get questions(): string {
    return `${this.target.name}.leader`;
  }

  /** One look at the log serves all who ask meanwhile; those who get no answer ask again. */
  private answer(question: Msg): void {
    if (this.isAnswering) return;
    this.isAnswering = true;
    void this.inTurn(async () => {
      try {
        if (await this.leadsSurely()) question.respond();
      } finally {
        this.isAnswering = false;
      }
    }).catch(() => undefined);
  }

  private async leadsSurely(): Promise<boolean> {
    const { lead } = this;
    if (lead === undefined) return false;
    const now = this.parts.clock.now();
    if (now < later(this.sureAt, SURE_MS)) return true;
    if ((await lead.log.lastSequence()) !== lead.replica.position) {
      await this.loseLead();
      return false;
    }
    this.sureAt = now;
    return true;
  }

  private async loseLead(): Promise<void> {
    const { lead } = this;
    this.lead = undefined;
    lead?.questions.unsubscribe();
    // Its copy may lack an entry that the log has.
    if (lead?.appended?.isCommitted === false) await this.endSession();
  }

  private compactIfLarge(): void {
    const { lead, session, compaction } = this;
    const { clock } = this.parts;
    if (lead === undefined || session === undefined || compaction !== undefined) return;
    const { minLogBytes = MIN_LOG_BYTES } = this.options;
    const { bytes } = lead.log;
    if (bytes < minLogBytes || bytes < LOG_FACTOR * lead.replica.file.bytes || clock.now() < this.compactAfter) return;
    this.compaction = this.compact(session).then(
      () => {
        this.compaction = undefined;
        this.trouble = undefined;
      },
      (error: Error) => {
        this.compaction = undefined;
        this.trouble = `the log of the queue grows, because no snapshot can be stored: ${error.message}`;
        this.compactAfter = later(clock.now(), SNAPSHOT_REST_MS);
      },
    );
  }

  /** From what is in the server, and not from the copy that is in use: a snapshot proves that the queue can be read. */
  private async compact({ log, snapshots }: Session): Promise<void> {
    const replica = await Replica.load(log, snapshots, this.options.folder);
    try {
      if (await snapshots.upload(replica.handle, replica.applied, this.ending.signal))
        await log.forget(replica.applied);
    } finally {
      await replica.close();
    }
  }

  private mustRun(): void {
    if (this.ending.signal.aborted) throw new LogTrouble('standby', 'the queue is closed');
  }

  private async endSession(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.replica?.close();
    await session?.server.connection.close();
  }

  private async close(): Promise<void> {
    this.ending.abort();
    // What waits for an answer of the server fails.
    await this.session?.server.connection.close();
    await this.turn;
    await this.compaction;
    await this.loseLead();
    await this.endSession();
  }
}

async function watchConnection(session: Session): Promise<void> {
  for await (const { type } of session.server.connection.status()) {
    if (type === 'disconnect') session.isConnected = false;
    if (type === 'reconnect') session.isConnected = true;
  }
}
