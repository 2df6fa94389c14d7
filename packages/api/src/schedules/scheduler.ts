import { randomUUID } from 'node:crypto';
import {
  type Clock,
  count,
  countFromZero,
  epochMs,
  FnError,
  formatDate,
  LONG_AGO,
  type Logger,
  later,
  type MonoMs,
  Once,
  observe,
  type Resource,
  readWhenExported,
  type Trigger,
  TurnoverMap,
  type WallMs,
} from '@fnfleet/core';
import { Schedule } from '@fnfleet/core/resources';
import type { MessageQueue } from '@fnfleet/queue';
import type { QueueAccess } from '../async/queue-access.js';
import type { Datastore, DueSchedule, Leader, ScheduleMove } from '../datastore/datastore.js';
import { planFirings } from './plan-firings.js';
import { callOfFiring } from './schedule-call.js';

/** Maximum time between two looks at the clock and at the database: what other nodes and operators change is found then. */
const LOOK_MS = 1_000;
/** How often a node looks whether the leader has dealt with what is due. */
const WATCH_MS = 500;
/** A leader that does nothing for this long while something is due is replaced. */
const TAKE_OVER_MS = 5_000;
/** How often the leader says that it is alive while it fires. */
const BEAT_MS = 1_000;
/** Schedules that are dealt with in one transaction. */
const BATCH = 100;
/** Pauses after a failure: at first, and at most. */
const FIRST_REST_MS = 250;
const MAX_REST_MS = 15_000;
/** How long the leader pauses at most after schedules that it has dealt with. */
const MAX_PAUSE_MS = 250;
/** How many schedules with missed firings are logged within a minute: thousands may miss some at the same time. */
const MAX_TOLD = 10;
const TOLD_MS = 60_000;
/** Functions whose calls were refused, and whose schedules rest therefore, that are remembered. */
const MAX_RESTING = 10_000;
/** How often the leader looks for schedules that were dealt with by a clock that was wrong, and how wrong it must have been. */
const CHECK_MS = 60_000;
const WRONG_MS = 24 * 3_600_000;

export interface SchedulerParts {
  readonly store: Pick<Datastore, 'schedules'>;
  readonly queue: Pick<QueueAccess, 'open' | 'exists'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What became of a due schedule. */
interface Outcome {
  /** Undefined if it stays as it is. */
  readonly move: ScheduleMove | undefined;
  /** Of the queue. */
  readonly failure?: unknown;
  /** Its function is to blame. */
  readonly isRefused?: boolean;
}

/**
 * Fires schedules: pushes their calls into the queue when they are due.
 *
 * S1  An instant is dealt with once: first its call is pushed, with an id that the instant determines, then the instant is
 *     recorded. A node that is killed between the two is followed by one that pushes the same id, which has no effect.
 * S2  One of the API nodes of a database fires, the leader. Another takes over when something is due and the leader neither deals
 *     with it nor says that it is alive for 5 s. A node whose queue cannot be opened does not lead.
 * S3  An instant stays due while its call cannot be pushed, and no other schedule pays for it: if it is refused because of its
 *     function, only the schedules of that function are tried less and less often.
 * S4  A leader that has much to do pauses as long as it works, so that requests get their share of its CPU, and changes by other
 *     processes the lock of a database in a file, which those who wait for it do not get in turn.
 * S5  Instants are in wall-clock time, and an instant that was dealt with does not come back with a clock that is set back. Only if
 *     the clock was wrong by more than a day, schedules continue from what it says now.
 */
export class Scheduler implements Resource {
  private readonly holder: string = randomUUID();
  private readonly stopping = new AbortController();
  /** The leader that has been watched while something is due. */
  private watched: { readonly leader: Leader; readonly since: MonoMs } | undefined;
  private checkAt: MonoMs;
  private leads = false;
  /** Schedules with missed firings since the minute began. */
  private told = 0;
  private tellsUntil: MonoMs = LONG_AGO;
  /** Functions whose calls were refused, by id. */
  private readonly resting = new TurnoverMap<string, { readonly until: MonoMs; readonly refusals: number }>();
  /** As of the last look that succeeded: if later ones fail, it becomes ever later. */
  private earliest: WallMs | undefined;
  private readonly looped: Promise<void>;
  private readonly endReading: () => void;
  private readonly closing = new Once(async () => {
    this.end();
    await this.looped;
    this.endReading();
    await this.resign();
  });

  constructor(private readonly parts: SchedulerParts) {
    for (const name of ['schedule_fired', 'schedule_missed', 'schedule_failed', 'schedule_leader'] as const) {
      countFromZero(name);
    }
    this.checkAt = parts.clock.now();
    this.endReading = readWhenExported('schedule_late_seconds', () => [{ value: this.lateMs / 1_000 }]);
    this.looped = this.loop();
  }

  /** Nothing more becomes due. Idempotent. */
  end(): void {
    this.stopping.abort();
  }

  /** Another node may lead at once. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private async loop(): Promise<void> {
    const { clock, logger } = this.parts;
    const { signal } = this.stopping;
    let failures = 0;
    let said = '';
    while (!signal.aborted) {
      let pauseMs: number;
      try {
        pauseMs = await this.turn();
        failures = 0;
        said = '';
      } catch (error) {
        pauseMs = Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** Math.min(failures, 30));
        failures += 1;
        const { message } = error as Error;
        if (message !== said) logger.warn('schedules cannot be fired, trying again', { error });
        said = message;
        await this.resign();
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  private get lateMs(): number {
    if (this.earliest === undefined) return 0;
    return Math.max(0, epochMs(this.parts.clock.wallNow()) - epochMs(this.earliest));
  }

  /** @returns how long to wait before the next turn */
  private async turn(): Promise<number> {
    const { store, clock } = this.parts;
    const now = clock.wallNow();
    const next = await store.schedules.earliest();
    this.earliest = next;
    const strayed = await this.strayed(now);
    if (strayed.length === 0 && (next === undefined || next > now)) {
      this.watched = undefined;
      return next === undefined ? LOOK_MS : Math.min(LOOK_MS, epochMs(next) - epochMs(now));
    }
    const queue = await this.lead();
    if (queue === undefined) return WATCH_MS;
    let isRefused = false;
    await this.whileAlive(async () => {
      await this.bringBack(strayed, now);
      isRefused = await this.fireAll(queue, now);
    });
    // What is refused stays due. The others would replace a leader that says nothing.
    if (isRefused) await store.schedules.beat(this.holder);
    return isRefused ? LOOK_MS : 0;
  }

  /** S2. @returns the queue if this node leads */
  private async lead(): Promise<MessageQueue | undefined> {
    const { store, queue, clock, logger } = this.parts;
    const leader = await store.schedules.leader();
    if (leader?.holder === this.holder) return queue.open();
    this.setLeads(false);
    if (leader !== undefined) {
      const { watched } = this;
      if (watched?.leader.holder !== leader.holder || watched.leader.beat !== leader.beat) {
        this.watched = { leader, since: clock.now() };
        return undefined;
      }
      if (clock.now() < later(watched.since, TAKE_OVER_MS)) return undefined;
    }
    const opened = await queue.open();
    if (!(await store.schedules.lead(this.holder, leader))) return undefined;
    logger.info('this node fires the schedules from now on');
    this.watched = undefined;
    this.setLeads(true);
    return opened;
  }

  /** @returns whether calls were refused because of their functions. @throws the failure of the queue */
  private async fireAll(queue: MessageQueue, now: WallMs): Promise<boolean> {
    const { store, clock } = this.parts;
    const { schedules } = store;
    const { signal } = this.stopping;
    let failure: unknown;
    let isRefused = false;
    let last: DueSchedule | undefined;
    do {
      const began = clock.now();
      const due = await schedules.due(now, BATCH, last);
      last = due.length < BATCH ? undefined : due.at(-1);
      const firing: Promise<Outcome>[] = [];
      for (const schedule of due) {
        firing.push(this.fire(queue, schedule, now));
        // To find the instants of many schedules takes long: requests are served meanwhile.
        await new Promise((resolve) => setImmediate(resolve));
      }
      const outcomes = await Promise.all(firing);
      const moves = outcomes.flatMap(({ move }) => (move === undefined ? [] : [move]));
      if (!(await this.record(moves))) return isRefused;
      for (const outcome of outcomes) {
        failure ??= outcome.failure;
        isRefused ||= outcome.isRefused ?? false;
      }
      // The others would fail as well.
      if (failure !== undefined) throw failure;
      const pauseMs = Math.min(MAX_PAUSE_MS, clock.now() - began);
      if (last !== undefined && pauseMs > 0) await clock.sleep(pauseMs, signal); // S4
    } while (last !== undefined && !signal.aborted);
    return isRefused;
  }

  /** Pushes the calls of a schedule. Never rejects. */
  private async fire(queue: MessageQueue, due: DueSchedule, now: WallMs): Promise<Outcome> {
    const { clock, logger } = this.parts;
    const { trigger, nextAt } = due;
    let schedule: Schedule;
    try {
      schedule = Schedule.of(trigger);
    } catch (error) {
      logger.error('a schedule is not valid and does not fire until it is changed', { triggerId: trigger.id, error });
      return { move: { from: due, nextAt: undefined, firedAt: undefined, at: now } };
    }
    const rest = this.resting.get(trigger.fnId);
    if (rest !== undefined && clock.now() < rest.until) return { move: undefined, isRefused: true };
    const { instants, hasMissed, next } = planFirings(schedule, nextAt, now);
    let firedAt: WallMs | undefined;
    for (const at of instants) {
      try {
        await queue.push(callOfFiring(trigger, schedule, at, clock.wallNow()));
      } catch (failure) {
        count('schedule_failed');
        const move = firedAt === undefined ? undefined : { from: due, nextAt: at, firedAt, at: now };
        if (isOfQueue(failure)) return { move, failure };
        this.rest(trigger, failure);
        return { move, isRefused: true };
      }
      this.resting.delete(trigger.fnId);
      firedAt = at;
      count('schedule_fired');
      observe('schedule_delay', Math.max(0, epochMs(clock.wallNow()) - epochMs(at)));
    }
    if (hasMissed) {
      count('schedule_missed');
      this.tellMissed(trigger, nextAt);
    }
    return { move: { from: due, nextAt: next, firedAt, at: now } };
  }

  private tellMissed({ id, fnId }: Trigger, since: WallMs): void {
    const { clock, logger } = this.parts;
    if (clock.now() >= this.tellsUntil) {
      this.tellsUntil = later(clock.now(), TOLD_MS);
      this.told = 0;
    }
    this.told += 1;
    if (this.told > MAX_TOLD) return;
    logger.warn('a schedule has missed firings', { triggerId: id, fnId, since: formatDate(since) });
    if (this.told === MAX_TOLD)
      logger.warn('further schedules with missed firings are counted, and not logged for a minute');
  }

  /** Its function is the reason why its calls are refused: it has its share of the queue, for example. */
  private rest({ id, fnId }: Trigger, failure: unknown): void {
    const { clock, logger } = this.parts;
    const known = this.resting.get(fnId);
    // Those of one batch count once.
    if (known !== undefined && clock.now() < known.until) return;
    const refusals = (known?.refusals ?? 0) + 1;
    if (known === undefined)
      logger.warn('calls of schedules of a function are refused, trying again', {
        triggerId: id,
        fnId,
        error: failure,
      });
    const [oldest] = this.resting.keys();
    this.resting.delete(fnId);
    if (this.resting.size >= MAX_RESTING && oldest !== undefined) this.resting.delete(oldest);
    const restMs = Math.min(MAX_REST_MS, LOOK_MS * 2 ** Math.min(refusals - 1, 30));
    this.resting.set(fnId, { until: later(clock.now(), restMs), refusals });
  }

  /** @returns false if another node has taken over */
  private async record(moves: readonly ScheduleMove[]): Promise<boolean> {
    if (moves.length === 0) return true;
    const recorded = await this.parts.store.schedules.advance(this.holder, moves);
    if (!recorded) this.setLeads(false);
    return recorded;
  }

  /** S5 */
  private async strayed(now: WallMs): Promise<readonly DueSchedule[]> {
    const { store, clock } = this.parts;
    if (clock.now() < this.checkAt) return [];
    const found = await store.schedules.dealtWithAfter(later(now, WRONG_MS), BATCH);
    if (found.length === 0) this.checkAt = later(clock.now(), CHECK_MS);
    return found;
  }

  private async bringBack(strayed: readonly DueSchedule[], now: WallMs): Promise<void> {
    if (strayed.length === 0) return;
    this.parts.logger.warn('the clock was wrong by more than a day: schedules continue from what it says now');
    const moves = strayed.map(
      (from): ScheduleMove => ({ from, nextAt: nextOf(from, now), firedAt: undefined, at: now }),
    );
    await this.record(moves);
  }

  private async whileAlive(work: () => Promise<void>): Promise<void> {
    const { store, clock } = this.parts;
    let isDone = false;
    const beat = () => {
      // Failures show in the work.
      const beaten = store.schedules.beat(this.holder).catch(() => true);
      void beaten.then(() => {
        if (!isDone) timer = clock.after(BEAT_MS, beat);
      });
    };
    let timer = clock.after(BEAT_MS, beat);
    try {
      await work();
    } finally {
      isDone = true;
      timer.cancel();
    }
  }

  private async resign(): Promise<void> {
    if (!this.leads) return;
    this.setLeads(false);
    try {
      await this.parts.store.schedules.resign(this.holder);
    } catch (error) {
      this.parts.logger.debug('the schedules are taken over later', { error });
    }
  }

  private setLeads(leads: boolean): void {
    if (leads !== this.leads) count('schedule_leader', leads ? 1 : -1);
    this.leads = leads;
  }
}

/** @returns undefined for a node without a queue: others may have one */
export function startScheduler(parts: SchedulerParts): Scheduler | undefined {
  return parts.queue.exists ? new Scheduler(parts) : undefined;
}

/** Whether a failure concerns all calls. */
function isOfQueue(failure: unknown): boolean {
  return !(failure instanceof FnError && (failure.status < 500 || failure.code === 'queueShareFull'));
}

function nextOf({ trigger }: DueSchedule, now: WallMs): WallMs | undefined {
  try {
    return Schedule.of(trigger).next(now);
  } catch {
    return undefined;
  }
}
