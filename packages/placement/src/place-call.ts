import { CancelledError, type Clock, describeError, FnError } from '@fnfleet/core';
import type { AttemptOutcome, OutboundCall } from '@fnfleet/protocol';
import { PlacementStats } from './placement-stats.js';
import type { Placer } from './placer.js';
import type { RunnerList, RunnerPool } from './runner.js';
import type { PlacementTiming } from './settings.js';

/**
 * Finds a runner for a call. The pool says which runners there are, the placer in which order they are asked, and this
 * loop asks them, pass after pass.
 *
 * L1  The list is fetched anew for every pass; a list that comes with an error is used all the same.
 * L2  Only a refusal is followed by another attempt, and only while the body can be sent again.
 * L3  The time to place bounds the search, never an attempt: a call that was taken may outlive it.
 * L4  When the search ends without a runner, the caller's leaving explains it first, then the pool, then the fleet.
 */
export async function placeCall(call: OutboundCall, deps: PlacementDeps, signal: AbortSignal): Promise<Placement> {
  const { pool, placer, clock, timing, waitForRoom = fixedPause(clock) } = deps;
  const budgetMs = call.model.type === 'detached' ? timing.detachedPlacerTimeoutMs : timing.placerTimeoutMs;
  const stats = new PlacementStats(clock);
  const searching = () => !signal.aborted && stats.elapsedMs < budgetMs;

  let poolError: Error | undefined;
  while (searching()) {
    const list = runnersNow(call, pool, clock, () => budgetMs - stats.elapsedMs, signal);
    const { runners, error } = list instanceof Promise ? await list : list;
    poolError = error;

    for (const runner of runners.length > 0 ? placer.order(call, runners) : []) {
      if (!searching()) break;
      stats.attempt();
      call.offeredTo?.(runner.address);
      // The call's own signal, not the search's: once taken, a call may run longer than the search.
      const outcome = await runner.tryCall(call, signal);
      if (outcome.kind !== 'refused') {
        stats.placed(outcome, signal);
        return outcome;
      }
      stats.refused(outcome);
      if (!call.body.replayable) {
        stats.unplaced({ poolError: false, outOfTime: false }, signal);
        return unplaced(
          outcome.reason === 'busy' ? outcome.error : new FnError('serverBusy', { cause: outcome.error }),
        );
      }
    }

    if (runners.length === 0) {
      stats.emptyPass();
      if (isFinal(poolError)) break;
    }
    if (searching()) await waitForRoom(call, Math.min(timing.retryAllDelayMs, budgetMs - stats.elapsedMs), signal);
  }

  const outOfTime = !signal.aborted && stats.elapsedMs >= budgetMs;
  stats.unplaced({ poolError: poolError !== undefined, outOfTime }, signal);
  return unplaced(signal.aborted ? reasonOf(signal) : (poolError ?? new FnError('serverBusy')));
}

export interface PlacementDeps {
  readonly pool: RunnerPool;
  readonly placer: Placer;
  readonly clock: Clock;
  readonly timing: PlacementTiming;
  /** What a call does between two passes; a fixed pause unless given. A queue woken by events takes this place. */
  readonly waitForRoom?: WaitForRoom;
}

/** Resolves when another pass is worth trying, after `maxMs` at the latest, and at once on abort. Never rejects. */
export type WaitForRoom = (call: OutboundCall, maxMs: number, signal: AbortSignal) => Promise<void>;

export type Placement =
  | Exclude<AttemptOutcome, { kind: 'refused' }>
  /** No runner took the call; nothing ran. */
  | { readonly kind: 'unplaced'; readonly error: Error };

function fixedPause(clock: Clock): WaitForRoom {
  return (_call, maxMs, signal) => clock.sleep(maxMs, signal);
}

/** A pool that fails counts as empty, with its failure as the pool's error. */
function runnersNow(
  call: OutboundCall,
  pool: RunnerPool,
  clock: Clock,
  leftMs: () => number,
  signal: AbortSignal,
): RunnerList | Promise<RunnerList> {
  try {
    const list = pool.runners(call);
    return list instanceof Promise ? withinSearch(list, clock, leftMs(), signal).catch(failedPool) : list;
  } catch (error) {
    return failedPool(error);
  }
}

function failedPool(error: unknown): RunnerList {
  return { runners: [], error: error instanceof Error ? error : new Error(String(error)) };
}

/** A pool that hangs must not hold the call longer than the search may take. */
async function withinSearch(
  list: Promise<RunnerList>,
  clock: Clock,
  maxMs: number,
  signal: AbortSignal,
): Promise<RunnerList> {
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener('abort', stop);
  try {
    const late = clock.sleep(maxMs, over.signal).then((): RunnerList => ({ runners: [] }));
    return await Promise.race([list, late]);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** The pool has said, through the function's own fault, that there never will be a runner for this call. */
function isFinal(poolError: Error | undefined): boolean {
  if (poolError === undefined) return false;
  const { status, blame } = describeError(poolError);
  return status === 502 && blame === 'function';
}

function unplaced(error: Error): Placement {
  return { kind: 'unplaced', error };
}

/** Whoever aborts a call says why in the signal's reason. */
function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof FnError || signal.reason instanceof CancelledError
    ? signal.reason
    : new CancelledError();
}
