import { type Clock, countFromZero, readWhenExported, type Timer } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import { FleetView } from '../fleet/fleet-view.js';
import { HEALTH_DEFAULTS, type HealthOptions } from '../fleet/health-options.js';
import { likenesses } from '../fleet/likeness.js';
import { needOf } from '../fleet/need.js';
import { Prober } from '../fleet/prober.js';
import type { RunnerView } from '../fleet/runner-view.js';
import { showPlacementStats } from '../placement-stats.js';
import type { Placer } from '../placer.js';
import type { RunnerPool } from '../runner.js';
import type { PlacementTiming } from '../settings.js';
import { type FleetStatus, statusLine } from './fleet-status.js';
import { listOf } from './list-of.js';
import type { Outlook } from './outlook.js';
import type { Placement } from './placement.js';
import { PlacementQueue } from './placement-queue.js';
import { Placing } from './placing.js';
import type { QueueLimits } from './queue-limits.js';
import { Recheck } from './recheck.js';
import { runnersByState } from './runners-by-state.js';
import type { WaitingCall } from './waiting-call.js';

/** How long the pool may take to say which runners there are for a call that is not placed, milliseconds. */
const OUTLOOK_MS = 1_000;
/** The longest waiting call of each function looks for itself this often, should an event have been missed. Milliseconds. */
const LOOK_MS = 1_000;
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
  readonly fleet: FleetView;
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
  private readonly warmInARow = new WeakMap<RunnerView, number>();
  private readonly endReading: () => void;
  private lookTimer: Timer | undefined;
  private closed = false;

  constructor({ limits, random, health: given, onTrouble, ...deps }: DispatcherDeps) {
    const { clock, pool } = deps;
    const onRoom = (view: RunnerView) => this.roomAt(view);
    const queue = new PlacementQueue(limits, clock, () => this.lookLater());
    const health = { ...HEALTH_DEFAULTS, ...given };
    const fleet = new FleetView({ health, now: () => clock.now(), wallNow: () => clock.wallNow(), random, onRoom });
    this.parts = { ...deps, queue, fleet, recheck: new Recheck(clock, onRoom) };
    const told = new Set<string>();
    this.prober = new Prober(
      clock,
      health.probeMs,
      () => fleet.current,
      () => {
        for (const what of likenesses(fleet.current)) {
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
      queue.headsLookAgain();
    };
    pool.onChange = lookAgain;
    this.meet();
  }

  /** Calls that wait for a runner. */
  get waiting(): number {
    return this.parts.queue.size;
  }

  /** What is known about the runners that calls were offered to. */
  get fleet(): FleetView {
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
      troubles: likenesses(present),
      runners: present.map(statusLine),
    };
  }

  /** Asks every runner how it is, for so long at most, milliseconds. */
  askRunners(limitMs: number): Promise<void> {
    return this.prober.askAll(limitMs);
  }

  /** Runners that are known and in the pool: when it has become empty, nothing is placed that would say so. */
  private get present(): readonly RunnerView[] {
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
  place(call: OutboundCall, signal: AbortSignal): Promise<Placement> {
    return new Placing(call, signal, this.parts).run();
  }

  /** What would become of the call if it were placed now. It is offered to nobody. Never rejects. */
  async outlook(call: OutboundCall, signal: AbortSignal): Promise<Outlook> {
    const { pool, clock, fleet } = this.parts;
    const { runners } = await listOf(call, pool, clock, () => OUTLOOK_MS, signal);
    if (runners.length === 0) return { runners: 0, ready: 0, hot: 0 };
    const need = needOf(call);
    const ready = fleet.snapshot(runners).candidates.filter((view) => view.unfitFor(need) === undefined);
    const hot = ready.filter((view) => view.freeSlots(need.fnId) > 0);
    return { runners: runners.length, ready: ready.length, hot: hot.length };
  }

  /** Nothing will be placed any more; calls that wait go on as their signals say. Idempotent. */
  close(): void {
    this.closed = true;
    this.parts.pool.onChange = undefined;
    this.endReading();
    this.parts.recheck.close();
    this.prober.close();
    this.lookTimer?.cancel();
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
  private roomAt(view: RunnerView): void {
    const { queue, recheck } = this.parts;
    const canUse = (waiting: WaitingCall) => {
      if (view.unfitFor(waiting.need) === undefined) return this.isFor(view, waiting.call);
      recheck.when(view, waiting.need);
      return false;
    };
    const canUseWarm = (waiting: WaitingCall) => view.freeSlots(waiting.need.fnId) > 0 && canUse(waiting);
    while (queue.size > 0) {
      const inARow = this.warmInARow.get(view) ?? 0;
      if (inARow < WARM_IN_A_ROW && queue.offer(view, canUseWarm)) this.warmInARow.set(view, inARow + 1);
      else if (queue.offer(view, canUse)) this.warmInARow.set(view, 0);
      else return;
    }
  }

  /** Whether the pool would have this call offered to that runner. */
  private isFor(view: RunnerView, call: OutboundCall): boolean {
    const { pool, fleet } = this.parts;
    try {
      const list = pool.runners(call);
      return !(list instanceof Promise) && list.runners.length > 0 && fleet.snapshot(list.runners).has(view);
    } catch {
      return false;
    }
  }

  private lookLater(): void {
    if (this.lookTimer !== undefined || this.closed || this.waiting === 0) return;
    this.lookTimer = this.parts.clock.after(LOOK_MS, () => {
      this.lookTimer = undefined;
      this.parts.queue.headsLookAgain();
      this.lookLater();
    });
  }
}
