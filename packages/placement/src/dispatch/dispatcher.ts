import { countFromZero, readWhenExported, type Timer } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import { resourceRequestOf } from '../fleet/capacity-estimate.js';
import { FleetState } from '../fleet/fleet-state.js';
import { HEALTH_DEFAULTS, type HealthOptions } from '../fleet/health.js';
import { Prober } from '../fleet/prober.js';
import type { RunnerState } from '../fleet/runner-state.js';
import { showPlacementStats } from '../placement-stats.js';
import { listOf } from '../runner.js';
import { duplicateWarnings, type FleetStatus, runnersByState, statusLine } from './fleet-status.js';
import { PlacementQueue, type QueueLimits, type WaitingCall } from './placement-queue.js';
import { type PlacementDeps, type PlacementOutcome, type PlacementParts, PlacementTask } from './placement-task.js';
import { Recheck } from './recheck.js';

export interface DispatcherDeps extends PlacementDeps {
  readonly limits: QueueLimits;
  /** Defaults apply to missing values. */
  readonly health?: Partial<HealthOptions> | undefined;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  /** Called once for each problem with the setup of the fleet, with a message for operators. */
  readonly onTrouble?: (what: string) => void;
}

/** What would happen to a call that arrived now. It is an estimate, like everything that is known about runners. */
export interface Outlook {
  /** How many runners the pool has for it. */
  readonly runners: number;
  /** How many of them are eligible: they have a hot container for it, or room for a new one. */
  readonly ready: number;
  /** How many of those have a free hot container of its function. */
  readonly hot: number;
}

/** How long the pool may take to list runners for a dry run, milliseconds. */
const OUTLOOK_MS = 1_000;
/** How often the longest waiting call of each function checks again, in case an event was missed. Milliseconds. */
const WAKE_UP_MS = 1_000;
/**
 * How many calls in a row may take a free container of their function on one runner out of turn. A turn that goes to another
 * function evicts that container and starts a new one, and under pressure the fleet would do little else. After these calls, the
 * call that has waited longest gets its turn.
 */
const WARM_IN_A_ROW = 8;

/**
 * Finds a runner for every call. The pool lists the runners, the placer orders them, the fleet state tells which of them to skip
 * for now, and the queue holds the calls that no runner takes.
 *
 *   place ──▶ placer's order, only eligible ───▶ offer ──▶ taken
 *               │ none                               │ refused: the next
 *               ▼                                    │
 *             queue ◀────────────────────────────────┘ none left
 *               └──▶ woken by: the end of a call, a load report, an expired refusal, a change of runners
 */
export class Dispatcher {
  private readonly parts: PlacementParts;
  private readonly prober: Prober;
  private readonly warmInARow = new WeakMap<RunnerState, number>();
  private readonly endReading: () => void;
  private readonly unsubscribe: (() => void) | undefined;
  private wakeUpTimer: Timer | undefined;
  private closed = false;

  constructor({ limits, random, health: given, onTrouble, ...deps }: DispatcherDeps) {
    const { clock, pool } = deps;
    const onCapacity = (state: RunnerState) => this.offerCapacity(state);
    const queue = new PlacementQueue(limits, clock, () => this.scheduleWakeUp());
    const health = { ...HEALTH_DEFAULTS, ...given };
    const fleet = new FleetState({
      health,
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      random,
      onCapacity,
    });
    this.parts = { ...deps, queue, fleet, recheck: new Recheck(clock, onCapacity) };
    const warned = new Set<string>();
    this.prober = new Prober(
      clock,
      health.probeMs,
      () => fleet.current,
      () => {
        for (const what of duplicateWarnings(fleet.current)) {
          if (!warned.has(what)) onTrouble?.(what);
          warned.add(what);
        }
      },
    );
    this.prober.start();
    showPlacementStats();
    countFromZero('lb_runner_ejected_count');
    this.endReading = readWhenExported('lb_runners_by_state', () => runnersByState(this.present));
    const lookAgain = () => {
      this.probeNewRunners();
      queue.wakeHeads();
    };
    this.unsubscribe = pool.subscribe?.(lookAgain);
    this.probeNewRunners();
  }

  /** Calls waiting for a runner. */
  get waiting(): number {
    return this.parts.queue.size;
  }

  /** What is known about the runners. */
  get fleet(): FleetState {
    return this.parts.fleet;
  }

  status(): FleetStatus {
    const { present, parts } = this;
    const { inFlight, cordons } = parts.fleet;
    return {
      waiting: parts.queue.size,
      inFlight,
      pool: parts.pool.status?.(),
      cordons,
      troubles: duplicateWarnings(present),
      runners: present.map(statusLine),
    };
  }

  /** Probes every runner, for at most `limitMs`. */
  askRunners(limitMs: number): Promise<void> {
    return this.prober.askAll(limitMs);
  }

  /** Known runners, or none if the pool is empty: then no placement would notice. */
  private get present(): readonly RunnerState[] {
    const { pool, fleet } = this.parts;
    return pool.members?.().length === 0 ? [] : fleet.current;
  }

  /**
   * Cordons or uncordons a runner. Calls in flight on it continue.
   * @returns false if there is no such runner
   */
  setCordoned(address: string, cordoned: boolean): boolean {
    return this.parts.fleet.setCordoned(address, cordoned);
  }

  /** Resolves with the outcome. Never rejects. */
  place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome> {
    return new PlacementTask(call, signal, this.parts).run();
  }

  /** What would happen if the call were placed now. It is not offered to any runner. Never rejects. */
  async outlook(call: OutboundCall, signal: AbortSignal): Promise<Outlook> {
    const { pool, clock, fleet } = this.parts;
    const { runners } = await listOf(call, pool, clock, () => OUTLOOK_MS, signal);
    if (runners.length === 0) return { runners: 0, ready: 0, hot: 0 };
    const request = resourceRequestOf(call);
    const ready = fleet.snapshot(runners).candidates.filter((state) => state.ineligibleReason(request) === undefined);
    const hot = ready.filter((state) => state.freeSlots(request.fnId) > 0);
    return { runners: runners.length, ready: ready.length, hot: hot.length };
  }

  /** Places nothing any more; waiting calls end with their signals. Idempotent. */
  close(): void {
    this.closed = true;
    this.unsubscribe?.();
    this.endReading();
    this.parts.recheck.close();
    this.prober.close();
    this.wakeUpTimer?.cancel();
  }

  /** Probes new runners before their first call. */
  private probeNewRunners(): void {
    const { pool, fleet } = this.parts;
    const members = pool.members?.() ?? [];
    if (members.length === 0) return;
    fleet.snapshot(members);
    this.prober.round();
  }

  /** Offers free capacity of a runner to waiting calls. */
  private offerCapacity(state: RunnerState): void {
    const { queue, recheck } = this.parts;
    const canUse = (waiting: WaitingCall) => {
      if (state.ineligibleReason(waiting.request) === undefined) return this.isFor(state, waiting.call);
      recheck.when(state, waiting.request);
      return false;
    };
    const canUseWarm = (waiting: WaitingCall) => state.freeSlots(waiting.request.fnId) > 0 && canUse(waiting);
    while (queue.size > 0) {
      const inARow = this.warmInARow.get(state) ?? 0;
      if (inARow < WARM_IN_A_ROW && queue.offer(state, canUseWarm)) this.warmInARow.set(state, inARow + 1);
      else if (queue.offer(state, canUse)) this.warmInARow.set(state, 0);
      else return;
    }
  }

  /** Whether the pool lists the runner for this call. */
  private isFor(state: RunnerState, call: OutboundCall): boolean {
    const { pool, fleet } = this.parts;
    try {
      const list = pool.runners(call);
      return !(list instanceof Promise) && list.runners.length > 0 && fleet.snapshot(list.runners).has(state);
    } catch {
      return false;
    }
  }

  private scheduleWakeUp(): void {
    if (this.wakeUpTimer !== undefined || this.closed || this.waiting === 0) return;
    this.wakeUpTimer = this.parts.clock.after(WAKE_UP_MS, () => {
      this.wakeUpTimer = undefined;
      this.parts.queue.wakeHeads();
      this.scheduleWakeUp();
    });
  }
}
