import type { Clock } from '@fnfleet/core';
import type { OutboundCall } from '@fnfleet/protocol';
import type { Candidate, Fleet } from './candidate.js';

/** Chooses the order in which runners are offered a call. Time, retries, queueing and metrics belong to the dispatcher. */
export interface Placer {
  /**
   * Read lazily: usually only the first is taken. Those that are full, draining or ejected are skipped by the dispatcher,
   * so a placer need not look for that. May leave runners out.
   */
  order(call: OutboundCall, fleet: Fleet): Iterable<Candidate>;
}

export interface PlacerDeps {
  /** Uniform, 0 to below 1. The only source of chance, so that a simulation can be repeated. */
  readonly random: () => number;
  readonly clock: Clock;
}

export interface PlacerFactory {
  /** What `FN_PLACER` selects. */
  readonly name: string;
  /** What `docs/configuration.md` says about it. */
  readonly doc: string;
  create(deps: PlacerDeps): Placer;
}
