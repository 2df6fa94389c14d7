import type { Clock, Logger, Resource } from '@fnfleet/core';

/** What a pool knows about a runner. Closing it waits for calls in flight, then closes the connection. */
export interface Member extends Resource {
  /** Where it is reached; also its name in logs and metrics. */
  readonly address: string;
}

/** The current runners, in the order of the source. */
export interface MemberList<R extends Member> {
  readonly runners: readonly R[];
  /** Set while the source fails: these are the last known runners. */
  readonly error?: Error;
}

/** A source of runner addresses: a file, DNS, etcd, … It reports nothing after `close` was called. */
export interface MembershipSource extends Resource {
  /** Starts reading, and continues until closed, whatever happens. Called once; may report before it returns. */
  start(listener: MembershipListener): void;
}

/** Receives the results of reading a source. Neither method throws. */
export interface MembershipListener {
  /**
   * All current runners, `host:port` each (from FN_RUNNER_ADDRESSES also `unix:/path`), in an order that is the same for every balancer. Repeating a report confirms it. An
   * empty list is believed: a source that cannot tell whether there are none reports a failure instead.
   */
  onMembers(addresses: readonly string[]): void;
  /** The source could not be read. The last known list stays in use. */
  onFailure(error: Error): void;
}

/** What every source is given. */
export interface SourceDeps {
  readonly clock: Clock;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** The status of a pool, for operators. JSON; ages in milliseconds. */
export interface PoolStatus {
  /** The kind of pool, as in the scheme of `FN_RUNNER_POOL`. */
  readonly kind: string;
  /** What it reads, without secrets. */
  readonly source: string;
  /** Runners that calls are offered to, in the pool's order. */
  readonly addresses: readonly string[];
  /** Runners that have left and still have calls in flight. */
  readonly leaving: readonly string[];
  /** Entries of the source that are not valid. */
  readonly refused: readonly RefusedAddress[];
  /** Time since the source last returned a list. Undefined: it never has. */
  readonly listAgeMs: number | undefined;
  /** Time since a runner joined or left. */
  readonly changedAgeMs: number | undefined;
  /** The source cannot be read now, and the last known list is in use. */
  readonly failing: boolean;
  readonly lastFailure: { readonly reason: string; readonly ageMs: number } | undefined;
}

export interface RefusedAddress {
  readonly address: string;
  readonly reason: string;
}
