import type { OutboundCall } from '@fnfleet/protocol';
import type { Runner } from './runner.js';

/** Chooses the order in which runners are offered a call. Time, retries and metrics belong to the placement loop. */
export interface Placer {
  /** @param runners a non-empty snapshot */
  order(call: OutboundCall, runners: readonly Runner[]): Iterable<Runner>;
}

export interface PlacerFactory {
  /** What `FN_PLACER` selects. */
  readonly name: string;
  /** What `docs/configuration.md` says about it. */
  readonly doc: string;
  create(deps: { readonly random: () => number }): Placer;
}
