import type { Member, MemberList, PoolStatus } from '@fnfleet/discovery';
import type { AttemptOutcome, LoadReport, OutboundCall, RunnerStatus } from '@fnfleet/protocol';

/** One runner, seen from the balancer. */
export interface Runner extends Member {
  /** It owes a sign of life for longer than usual: better offer calls to others. Unset: nobody watches. */
  readonly isUnresponsive?: boolean;
  /** Offers a call. Never rejects; `signal` is the call's own, not the placement's budget. */
  tryCall(call: OutboundCall, signal: AbortSignal): Promise<AttemptOutcome>;
  /** Asks the runner about itself. */
  status(signal?: AbortSignal): Promise<RunnerStatus>;
  /**
   * Set by whoever keeps a view of the fleet: hears of each load report; after an attempt, perhaps a moment after its
   * outcome, with the call that was offered; with a status, without one. A runner of Fn tells none.
   */
  onLoad?: LoadListener | undefined;
}

/** Must not throw. */
export type LoadListener = (load: LoadReport, call: OutboundCall | undefined) => void;

/** Knows which runners exist now. */
export interface RunnerPool {
  /**
   * The runners a call may be offered to, in the pool's own order; the same array as before unless they have changed.
   * Asked for every attempt, so it must be cheap. A pool that has trouble with its source may still return runners;
   * `error` then says what the trouble is.
   */
  runners(call: OutboundCall): RunnerList | Promise<RunnerList>;
  /** Every runner that there is for some call, so that they are known before the first. Unset: they get known by calls. */
  members?(): readonly Runner[];
  /** What it sees of its source, for operators. */
  status?(): PoolStatus;
  /** Closes every runner. Idempotent, never rejects. */
  close(): Promise<void>;
  /** Set by whoever places calls: other runners are returned from now on. A pool that does not tell is looked at now and then. */
  onChange?: (() => void) | undefined;
}

export type RunnerList = MemberList<Runner>;
