import type { Call, Clock } from '@fnfleet/core';
import type { LoadReport, OutboundCall } from '@fnfleet/protocol';
import type { Runner } from './runner.js';

/** Orders the runners for a call. Time, retries, queueing and metrics belong to the dispatcher. */
export interface Placer {
  /**
   * Read lazily: usually only the first is used. The dispatcher skips full, draining and ejected runners, so a placer need not
   * check for that. May leave runners out.
   */
  order(call: OutboundCall, fleet: Fleet): Iterable<Candidate>;
}

export interface PlacerDeps {
  /** Uniform, 0 to below 1. The only source of randomness, so that a simulation can be repeated. */
  readonly random: () => number;
  readonly clock: Clock;
}

export interface PlacerFactory {
  /** Value of `FN_PLACER`. */
  readonly name: string;
  /** Description for `docs/configuration.md`. */
  readonly doc: string;
  create(deps: PlacerDeps): Placer;
}

/** One runner as a placer sees it. Live: values change as calls end and reports arrive. */
export interface Candidate {
  readonly runner: Runner;
  readonly address: string;
  /** Calls of this balancer that are in flight on it. */
  readonly inFlight: number;
  /** Its last load report. Undefined: none yet; runners of Fn never send any. */
  readonly load: LoadReport | undefined;
  /** Estimated number of free hot containers of a function; 0 if nothing is known. */
  freeSlots(fnId: string): number;
  /** Mean time from offer to outcome of a function's calls on it, milliseconds. Undefined: none has succeeded yet. */
  latencyMs(fnId: string): number | undefined;
  /** Whether it was pulling the image of this function a few seconds ago, as far as is known. */
  isPulling(call: Pick<Call, 'fnId' | 'image'>): boolean;
  /** Share of calls it may get, above 0 up to 1: less than 1 during slow start. */
  readonly weight: number;
}

/** The runners that a call may be offered to. */
export interface Fleet {
  /** Never empty. The same array, in the pool's order, until the pool changes. */
  readonly candidates: readonly Candidate[];
  /** Calls of this balancer that are in flight on all its runners. */
  readonly inFlight: number;
  /** Runners that are estimated to have a free hot container of the function, the most recent last. */
  warm(fnId: string): Iterable<Candidate>;
}
