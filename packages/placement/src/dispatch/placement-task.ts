import { CancelledError, type Clock, describeError, FnError, inSpan, NO_TRACE, tellOperator } from '@fnfleet/core';
import type { AttemptOutcome, OutboundCall } from '@fnfleet/protocol';
import { type ResourceRequest, resourceRequestOf } from '../fleet/capacity-estimate.js';
import type { FleetSnapshot, FleetState } from '../fleet/fleet-state.js';
import type { IneligibleReason, RunnerState } from '../fleet/runner-state.js';
import { PlacementStats } from '../placement-stats.js';
import type { Placer } from '../placer.js';
import { listOf, type RunnerList, type RunnerPool } from '../runner.js';
import type { PlacementTiming } from '../settings.js';
import { type PlacementQueue, WaitingCall, type WakeUp } from './placement-queue.js';
import type { Recheck } from './recheck.js';

/** What a dispatcher and its placement tasks get from the balancer. */
export interface PlacementDeps {
  readonly pool: RunnerPool;
  readonly placer: Placer;
  readonly clock: Clock;
  readonly timing: PlacementTiming;
}

/** What a placement task uses. */
export interface PlacementParts extends PlacementDeps {
  readonly fleet: FleetState;
  readonly queue: PlacementQueue;
  readonly recheck: Recheck;
}

/** How a placement ended. */
export type PlacementOutcome =
  | Exclude<AttemptOutcome, { kind: 'refused' }>
  /** No runner took the call; nothing ran. */
  | { readonly kind: 'unplaced'; readonly error: Error };

/** An empty pool that does not report changes is checked again at least this often, milliseconds. */
const EMPTY_MAX_MS = 1_000;

/**
 * The placement of one call.
 *
 * L1  The list of runners is fetched for every attempt; a list that comes with an error is still used.
 * L2  Only a refusal is followed by another attempt, and only while the body can be sent again.
 * L3  The placement time limits the search, never an attempt: a call that was taken may run longer.
 * L4  If the search ends without a runner, the error is the caller's cancellation first, then that of the pool, then of the fleet.
 * L5  An arriving call does not overtake waiting calls of its function.
 */
export class PlacementTask {
  private readonly request: ResourceRequest;
  private readonly stats: PlacementStats;
  private readonly budgetMs: number;
  private poolError: Error | undefined;
  /** Pause before an empty pool is checked again. Undefined if it was not empty. */
  private emptyPauseMs: number | undefined;
  private hasWaited = false;

  constructor(
    private readonly call: OutboundCall,
    private readonly signal: AbortSignal,
    private readonly parts: PlacementParts,
  ) {
    const { clock, timing } = parts;
    this.request = resourceRequestOf(call);
    this.stats = new PlacementStats(clock);
    const limitMs = call.model.type === 'detached' ? timing.detachedPlacerTimeoutMs : timing.placerTimeoutMs;
    this.budgetMs = Math.min(limitMs, call.placementLimitMs ?? limitMs);
  }

  /** Never rejects. */
  async run(): Promise<PlacementOutcome> {
    try {
      let state: RunnerState | undefined;
      while (state !== undefined || this.searching()) {
        if (state === undefined) {
          const list = this.list();
          state = this.choose(list instanceof Promise ? await list : list);
        }
        if (state !== undefined) {
          const offeredMs = this.offered(state);
          let outcome: AttemptOutcome;
          try {
            // The signal of the call, not of the search: once taken, a call may run longer than the search.
            outcome = await state.runner.tryCall(this.call, this.signal);
          } catch (error) {
            outcome = brokenPromise(error);
          }
          this.ended(state, outcome, offeredMs);
          if (outcome.kind !== 'refused') return outcome;
          if (!this.call.body.replayable) return this.unplaced(lastWord(outcome));
          state = undefined;
          continue;
        }
        if (this.emptyPauseMs !== undefined && isFinal(this.poolError)) break;
        const how = await this.wait();
        if (how.kind === 'shed') return this.unplaced(how.error);
        if (how.kind === 'room') state = how.state;
      }
      return this.givenUp();
    } catch (error) {
      // A custom placer that throws fails this call, not the process.
      return { kind: 'unplaced', error: error instanceof Error ? error : new FnError('internal', { cause: error }) };
    }
  }

  private givenUp(): PlacementOutcome {
    const outOfTime = !this.signal.aborted && this.leftMs <= 0;
    if (this.signal.aborted) return this.unplaced(reasonOf(this.signal), outOfTime);
    return this.unplaced(this.poolError ?? this.parts.queue.fullError(), outOfTime);
  }

  private get leftMs(): number {
    return this.budgetMs - this.stats.elapsedMs;
  }

  private searching(): boolean {
    return !this.signal.aborted && this.leftMs > 0;
  }

  /** The runner to offer it to next, already counted as offered. Undefined: it has to wait. */
  private choose({ runners, error }: RunnerList): RunnerState | undefined {
    const { fleet, queue } = this.parts;
    this.poolError = error;
    if (runners.length === 0) {
      this.stats.emptyPass();
      const { retryAllDelayMs } = this.parts.timing;
      this.emptyPauseMs = Math.min(EMPTY_MAX_MS, 2 * (this.emptyPauseMs ?? retryAllDelayMs / 2));
      return undefined;
    }
    this.emptyPauseMs = undefined;
    if (!this.hasWaited && queue.hasWaiting({ appId: this.call.model.appId, request: this.request })) return undefined;
    return this.chooseFrom(fleet.snapshot(runners));
  }

  private list(): RunnerList | Promise<RunnerList> {
    const { pool, clock } = this.parts;
    return listOf(this.call, pool, clock, () => this.leftMs, this.signal);
  }

  private chooseFrom(fleet: FleetSnapshot): RunnerState | undefined {
    const { placer, recheck } = this.parts;
    for (const candidate of placer.order(this.call, fleet)) {
      const state = fleet.stateOf(candidate);
      const reason = state.ineligibleReason(this.request);
      if (reason === undefined) {
        state.offered(this.request);
        return state;
      }
      if (this.call.events?.detailed) this.call.events.skipped(state.address, this.whyNot(state, reason));
      recheck.when(state, this.request);
    }
    return undefined;
  }

  /** Human-readable. */
  private whyNot(state: RunnerState, reason: IneligibleReason): string {
    const why = reason === 'refused' ? 'full when last asked' : reason;
    const until = state.eligibleAgainAt(this.request);
    return until === undefined ? why : `${why}, for another ${Math.ceil(until - this.parts.clock.now())} ms`;
  }

  /** Follows every `offered` of the runner state, and is followed by `ended`. @returns the time, as `elapsedMs` */
  private offered(state: RunnerState): number {
    const { call, stats } = this;
    call.offeredTo?.(state.address);
    call.events?.offered(state.address);
    return stats.attempt();
  }

  private ended(state: RunnerState, outcome: AttemptOutcome, offeredMs: number): void {
    const { call, signal, stats, request } = this;
    const ms = stats.elapsedMs - offeredMs;
    state.ended(request, outcome, ms);
    call.events?.said(state.address, wordsOf(outcome));
    if (outcome.kind === 'refused') {
      stats.refused(outcome, ms);
      this.parts.recheck.when(state, request);
    } else stats.placed(outcome, signal);
  }

  private async wait(): Promise<WakeUp> {
    const { leftMs } = this;
    this.call.events?.queued();
    const waiting = new WaitingCall(this.call, this.request, this.call.body.heldBytes ?? 0);
    const maxMs = Math.min(leftMs, this.emptyPauseMs ?? leftMs);
    const how = await inSpan('lb_queue', this.call.trace ?? NO_TRACE, () =>
      this.parts.queue.wait(waiting, this.signal, { maxMs, leftMs, again: this.hasWaited }),
    );
    this.hasWaited = true;
    this.call.events?.woken(WOKEN[how.kind]);
    return how;
  }

  private unplaced(error: Error, outOfTime = false): PlacementOutcome {
    this.stats.unplaced({ poolError: this.poolError !== undefined, outOfTime }, this.signal);
    return { kind: 'unplaced', error };
  }
}

/** Why a call stopped waiting, human-readable. */
const WOKEN: Readonly<Record<WakeUp['kind'], string>> = {
  room: 'a runner may have capacity',
  look: 'time to check the runners again',
  shed: 'rejected in favour of other calls',
  over: 'its time is over, or its caller has left',
};

function wordsOf(outcome: AttemptOutcome): string {
  if (outcome.kind === 'finished') return 'finished';
  const detail = tellOperator(outcome.error).slice(0, 200);
  return outcome.kind === 'failed' ? `failed: ${detail}` : `refused: ${outcome.reason}`;
}

/** For a custom runner that rejects although it must not. The call may have run. */
function brokenPromise(error: unknown): AttemptOutcome {
  return {
    kind: 'failed',
    blame: 'runner',
    error: error instanceof Error ? error : new FnError('internal', { cause: error }),
  };
}

/** The error for a call that cannot be offered again. */
function lastWord({ reason, error }: AttemptOutcome & { kind: 'refused' }): Error {
  return reason === 'busy' ? error : new FnError('serverBusy', { cause: error });
}

/** The pool says that there will never be a runner for this call, through the fault of its function. */
function isFinal(poolError: Error | undefined): boolean {
  if (poolError === undefined) return false;
  const { status, blame } = describeError(poolError);
  return status === 502 && blame === 'function';
}

/** Whoever aborts a call gives the reason with the signal. */
function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof FnError || reason instanceof CancelledError ? reason : new CancelledError();
}
