import type { Clock, Resource } from '@fnfleet/core';
import type { Member, MemberList, PoolStatus } from '@fnfleet/discovery';
import type { AttemptOutcome, LoadReport, OutboundCall, RunnerStatus } from '@fnfleet/protocol';

/** One runner, as the balancer sees it. */
export interface Runner extends Member {
  /** A keepalive PING is overdue, so calls should go to others. Unset if nobody monitors it. */
  readonly isUnresponsive?: boolean;
  /** Offers a call. Never rejects; `signal` belongs to the call, not to the placement. */
  tryCall(call: OutboundCall, signal: AbortSignal): Promise<AttemptOutcome>;
  /** Probes the runner. */
  status(signal?: AbortSignal): Promise<RunnerStatus>;
  /**
   * Subscribes to load reports: after an attempt, possibly shortly after its outcome, with the call that was offered; after a
   * status, without one. Unset if there are none; runners of Fn send none.
   * @returns a function that unsubscribes; idempotent
   */
  subscribe?(listener: LoadListener): () => void;
}

/** Must not throw. */
export type LoadListener = (load: LoadReport, call: OutboundCall | undefined) => void;

/** Knows the current runners. Closing it closes every runner. */
export interface RunnerPool extends Resource {
  /**
   * The runners that a call may be offered to, in the pool's own order; the same array as before unless they have changed.
   * Called for every attempt, so it must be fast. A pool whose source fails may still return runners; `error` then says what is
   * wrong.
   */
  runners(call: OutboundCall): RunnerList | Promise<RunnerList>;
  /** All runners for any call, so that they are known before the first. Unset: they become known through calls. */
  members?(): readonly Runner[];
  /** The state of its source, for operators. */
  status?(): PoolStatus;
  /**
   * Subscribes to changes of the list. A pool without this is polled.
   * @returns a function that unsubscribes; idempotent
   */
  subscribe?(onChange: () => void): () => void;
}

export type RunnerList = MemberList<Runner>;

/** Lists the runners for a call. A pool that fails counts as empty, with the failure as its error. Never rejects. */
export function listOf(
  call: OutboundCall,
  pool: RunnerPool,
  clock: Clock,
  leftMs: () => number,
  signal: AbortSignal,
): RunnerList | Promise<RunnerList> {
  try {
    const list = pool.runners(call);
    return list instanceof Promise ? withinSearch(list, clock, leftMs(), signal).catch(failed) : list;
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): RunnerList {
  return { runners: [], error: error instanceof Error ? error : new Error(String(error)) };
}

/** A pool that hangs must not hold the call beyond its time limit. */
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
