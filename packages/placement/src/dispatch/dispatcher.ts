import { type Clock, countFromZero, readWhenExported, type Timer } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import { duplicateWarnings } from '../fleet/duplicate-warnings.js';
import { FleetState } from '../fleet/fleet-state.js';
import { HEALTH_DEFAULTS, type HealthOptions } from '../fleet/health-options.js';
import { Prober } from '../fleet/prober.js';
import { resourceRequestOf } from '../fleet/resource-request.js';
import type { RunnerState } from '../fleet/runner-state.js';
import { showPlacementStats } from '../placement-stats.js';
import type { Placer } from '../placer.js';
import type { RunnerPool } from '../runner.js';
import type { PlacementTiming } from '../settings.js';
import { type FleetStatus, statusLine } from './fleet-status.js';
import { listOf } from './list-of.js';
import type { Outlook } from './outlook.js';
import type { PlacementOutcome } from './placement-outcome.js';
import { PlacementQueue } from './placement-queue.js';
import { PlacementTask } from './placement-task.js';
import type { QueueLimits } from './queue-limits.js';
import { Recheck } from './recheck.js';
import { runnersByState } from './runners-by-state.js';
import type { WaitingCall } from './waiting-call.js';

/** How long the pool may take to say which runners there are for a call that is not placed, milliseconds. */
const OUTLOOK_MS = 1_000;
/** The longest waiting call of each function looks for itself this often, should an event have been missed. Milliseconds. */
const WAKE_UP_MS = 1_000;
/**
 * So many calls in a row may take a free container of their function on one runner out of turn: a turn that goes to another
 * function pushes that container out and starts one, and under pressure the fleet ends up doing little else. After them it is
 * the turn of whoever has waited for it.
 */
const WARM_IN_A_ROW = 8;

export interface DispatcherDeps {
  readonly pool: RunnerPool;
  readonly placer: Placer;
  readonly clock: Clock;
  readonly timing: PlacementTiming;
  readonly limits: QueueLimits;
  /** What is not given has its default. */
  readonly health?: Partial<HealthOptions> | undefined;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  /** Hears once of each thing that is wrong with how the fleet is set up, in words for operators. */
  readonly onTrouble?: (what: string) => void;
}

/** What a call needs on its way. */
export interface DispatcherParts extends Omit<DispatcherDeps, 'limits' | 'health' | 'random' | 'onTrouble'> {
  readonly fleet: FleetState;
  readonly queue: PlacementQueue;
  readonly recheck: Recheck;
}

/**
 * Finds a runner for every call. The pool says which runners there are, the placer in which order they are asked, the view
 * which of them need not be asked now, and the queue has the calls that nobody takes.
 *
 *   place ──▶ placer's order, without the unfit ──▶ offer ──▶ taken
 *               │ nobody                             │ refused: the next
 *               ▼                                    │
 *             queue ◀────────────────────────────────┘ nobody left
 *               └──▶ woken by: the end of a call, a load report, a refusal that runs out, other runners
 */
export class Dispatcher {
  private readonly parts: DispatcherParts;
  private readonly prober: Prober;
  private readonly warmInARow = new WeakMap<RunnerState, number>();
  private readonly endReading: () => void;
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
    const told = new Set<string>();
    this.prober = new Prober(
      clock,
      health.probeMs,
      () => fleet.current,
      () => {
        for (const what of duplicateWarnings(fleet.current)) {
          if (!told.has(what)) onTrouble?.(what);
          told.add(what);
        }
      },
    );
    this.prober.begin();
    showPlacementStats();
    countFromZero('lb_runner_ejected_count');
    this.endReading = readWhenExported('lb_runners_by_state', () => runnersByState(this.present));
    const lookAgain = () => {
      this.meet();
      queue.wakeHeads();
    };
    pool.onChange = lookAgain;
    this.meet();
  }

  /** Calls that wait for a runner. */
  get waiting(): number {
    return this.parts.queue.size;
  }

  /** What is known about the runners that calls were offered to. */
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

  /** Asks every runner how it is, for so long at most, milliseconds. */
  askRunners(limitMs: number): Promise<void> {
    return this.prober.askAll(limitMs);
  }

  /** Runners that are known and in the pool: when it has become empty, nothing is placed that would say so. */
  private get present(): readonly RunnerState[] {
    const { pool, fleet } = this.parts;
    return pool.members?.().length === 0 ? [] : fleet.current;
  }

  /**
   * Offers a runner nothing any more, or does again. Its calls in hand go on.
   * @returns false: there is no such runner
   */
  setCordoned(address: string, cordoned: boolean): boolean {
    return this.parts.fleet.setCordoned(address, cordoned);
  }

  /** Resolves with how the call ended. Never rejects. */
  place(call: OutboundCall, signal: AbortSignal): Promise<PlacementOutcome> {
    return new PlacementTask(call, signal, this.parts).run();
  }

  /** What would become of the call if it were placed now. It is offered to nobody. Never rejects. */
  async outlook(call: OutboundCall, signal: AbortSignal): Promise<Outlook> {
    const { pool, clock, fleet } = this.parts;
    const { runners } = await listOf(call, pool, clock, () => OUTLOOK_MS, signal);
    if (runners.length === 0) return { runners: 0, ready: 0, hot: 0 };
    const request = resourceRequestOf(call);
    const ready = fleet.snapshot(runners).candidates.filter((state) => state.ineligibleReason(request) === undefined);
    const hot = ready.filter((state) => state.freeSlots(request.fnId) > 0);
    return { runners: runners.length, ready: ready.length, hot: hot.length };
  }

  /** Nothing will be placed any more; calls that wait go on as their signals say. Idempotent. */
  close(): void {
    this.closed = true;
    this.parts.pool.onChange = undefined;
    this.endReading();
    this.parts.recheck.close();
    this.prober.close();
    this.wakeUpTimer?.cancel();
  }

  /** Asks runners that are new how they are, before the first call. */
  private meet(): void {
    const { pool, fleet } = this.parts;
    const members = pool.members?.() ?? [];
    if (members.length === 0) return;
    fleet.snapshot(members);
    this.prober.round();
  }

  /** Gives out what room there may be at one runner. */
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

  /** Whether the pool would have this call offered to that runner. */
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
