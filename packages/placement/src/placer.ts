import type { Clock } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { Candidate, Fleet } from './candidate.js';

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
