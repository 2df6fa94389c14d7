import { CancelledError, describeError, FnError, inSpan, NO_TRACE, tellOperator } from '@fnfleet/core';
import type { AttemptOutcome, OutboundCall } from '@fnfleet/protocol';
import type { FleetSnapshot } from '../fleet/fleet-view.js';
import { type Need, needOf } from '../fleet/need.js';
import type { RunnerView, Unfit } from '../fleet/runner-view.js';
import { PlacementStats } from '../placement-stats.js';
import type { RunnerList } from '../runner.js';
import type { DispatcherParts } from './dispatcher.js';
import { listOf } from './list-of.js';
import type { Placement } from './placement.js';
import { WaitingCall, type WakeUp } from './waiting-call.js';

/** An empty pool that does not tell of changes is looked at again after this time at the latest, milliseconds. */
const EMPTY_MAX_MS = 1_000;

/**
 * One call on its way to a runner.
 *
 * L1  The list is fetched anew for every attempt; a list that comes with an error is used all the same.
 * L2  Only a refusal is followed by another attempt, and only while the body can be sent again.
 * L3  The time to place bounds the search, never an attempt: a call that was taken may outlive it.
 * L4  When the search ends without a runner, the caller's leaving explains it first, then the pool, then the fleet.
 * L5  A call that comes does not pass those of its function that wait already.
 */
export class Placing {
  private readonly need: Need;
  private readonly stats: PlacementStats;
  private readonly budgetMs: number;
  private poolError: Error | undefined;
  /** Until the pool is looked at again because it was empty. Undefined: it was not. */
  private emptyPauseMs: number | undefined;
  private hasWaited = false;

  constructor(
    private readonly call: OutboundCall,
    private readonly signal: AbortSignal,
    private readonly parts: DispatcherParts,
  ) {
    const { clock, timing } = parts;
    this.need = needOf(call);
    this.stats = new PlacementStats(clock);
    this.budgetMs = call.model.type === 'detached' ? timing.detachedPlacerTimeoutMs : timing.placerTimeoutMs;
  }

  /** Never rejects. */
  async run(): Promise<Placement> {
    try {
      let view: RunnerView | undefined;
      while (view !== undefined || this.searching()) {
        if (view === undefined) {
          const list = this.list();
          view = this.choose(list instanceof Promise ? await list : list);
        }
        if (view !== undefined) {
          const offeredMs = this.offered(view);
          let outcome: AttemptOutcome;
          try {
            // The call's own signal, not the search's: once taken, a call may run longer than the search.
            outcome = await view.runner.tryCall(this.call, this.signal);
          } catch (error) {
            outcome = brokenPromise(error);
          }
          this.ended(view, outcome, offeredMs);
          if (outcome.kind !== 'refused') return outcome;
          if (!this.call.body.replayable) return this.unplaced(lastWord(outcome));
          view = undefined;
          continue;
        }
        if (this.emptyPauseMs !== undefined && isFinal(this.poolError)) break;
        const how = await this.wait();
        if (how.kind === 'shed') return this.unplaced(how.error);
        if (how.kind === 'room') view = how.view;
      }
      return this.givenUp();
    } catch (error) {
      // A placer of an embedder that throws ends this call, not the process.
      return { kind: 'unplaced', error: error instanceof Error ? error : new FnError('internal', { cause: error }) };
    }
  }

  private givenUp(): Placement {
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

  /** The runner that it is offered to next, already counted as offered. Undefined: it has to wait. */
  private choose({ runners, error }: RunnerList): RunnerView | undefined {
    const { fleet, queue } = this.parts;
    this.poolError = error;
    if (runners.length === 0) {
      this.stats.emptyPass();
      const { retryAllDelayMs } = this.parts.timing;
      this.emptyPauseMs = Math.min(EMPTY_MAX_MS, 2 * (this.emptyPauseMs ?? retryAllDelayMs / 2));
      return undefined;
    }
    this.emptyPauseMs = undefined;
    if (!this.hasWaited && queue.hasWaiting({ appId: this.call.model.appId, need: this.need })) return undefined;
    return this.chooseFrom(fleet.snapshot(runners));
  }

  private list(): RunnerList | Promise<RunnerList> {
    const { pool, clock } = this.parts;
    return listOf(this.call, pool, clock, () => this.leftMs, this.signal);
  }

  private chooseFrom(fleet: FleetSnapshot): RunnerView | undefined {
    const { placer, recheck } = this.parts;
    for (const candidate of placer.order(this.call, fleet)) {
      const view = fleet.viewOf(candidate);
      const unfit = view.unfitFor(this.need);
      if (unfit === undefined) {
        view.offered(this.need);
        return view;
      }
      if (this.call.journal?.detailed) this.call.journal.skipped(view.address, this.whyNot(view, unfit));
      recheck.when(view, this.need);
    }
    return undefined;
  }

  /** For people. */
  private whyNot(view: RunnerView, unfit: Unfit): string {
    const why = unfit === 'refused' ? 'full when last asked' : unfit;
    const until = view.fitAgainAt(this.need);
    return until === undefined ? why : `${why}, for another ${Math.ceil(until - this.parts.clock.now())} ms`;
  }

  /** Follows on every `offered` of the view; `ended` follows. @returns when, as `elapsedMs` */
  private offered(view: RunnerView): number {
    const { call, stats } = this;
    call.offeredTo?.(view.address);
    call.journal?.offered(view.address);
    return stats.attempt();
  }

  private ended(view: RunnerView, outcome: AttemptOutcome, offeredMs: number): void {
    const { call, signal, stats, need } = this;
    const ms = stats.elapsedMs - offeredMs;
    view.ended(need, outcome, ms);
    call.journal?.said(view.address, wordsOf(outcome));
    if (outcome.kind === 'refused') {
      stats.refused(outcome, ms);
      this.parts.recheck.when(view, need);
    } else stats.placed(outcome, signal);
  }

  private async wait(): Promise<WakeUp> {
    const { leftMs } = this;
    this.call.journal?.queued();
    const waiting = new WaitingCall(this.call, this.need, this.call.body.heldBytes ?? 0);
    const maxMs = Math.min(leftMs, this.emptyPauseMs ?? leftMs);
    const how = await inSpan('lb_queue', this.call.trace ?? NO_TRACE, () =>
      this.parts.queue.wait(waiting, this.signal, { maxMs, leftMs, again: this.hasWaited }),
    );
    this.hasWaited = true;
    this.call.journal?.woken(WOKEN[how.kind]);
    return how;
  }

  private unplaced(error: Error, outOfTime = false): Placement {
    this.stats.unplaced({ poolError: this.poolError !== undefined, outOfTime }, this.signal);
    return { kind: 'unplaced', error };
  }
}

/** Why a call does not wait any more, for people. */
const WOKEN: Readonly<Record<WakeUp['kind'], string>> = {
  room: 'a runner may have room',
  look: 'time to look at the runners again',
  shed: 'others go first',
  over: 'its time is over, or its caller has gone',
};

function wordsOf(outcome: AttemptOutcome): string {
  if (outcome.kind === 'finished') return 'finished';
  const detail = tellOperator(outcome.error).slice(0, 200);
  return outcome.kind === 'failed' ? `failed: ${detail}` : `refused: ${outcome.reason}`;
}

/** A runner of an embedder that rejects although it must not. The call may have run. */
function brokenPromise(error: unknown): AttemptOutcome {
  return {
    kind: 'failed',
    blame: 'runner',
    error: error instanceof Error ? error : new FnError('internal', { cause: error }),
  };
}

/** What a call is answered with that cannot be offered again. */
function lastWord({ reason, error }: AttemptOutcome & { kind: 'refused' }): Error {
  return reason === 'busy' ? error : new FnError('serverBusy', { cause: error });
}

/** The pool has said, through the function's own fault, that there never will be a runner for this call. */
function isFinal(poolError: Error | undefined): boolean {
  if (poolError === undefined) return false;
  const { status, blame } = describeError(poolError);
  return status === 502 && blame === 'function';
}

/** Whoever aborts a call says why in the signal's reason. */
function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof FnError || reason instanceof CancelledError ? reason : new CancelledError();
}
