import type { Clock, Logger } from '@fnfleet/core';

/** What a pool knows of a runner. */
export interface Member {
  /** Where it is reached; also its name in logs and metrics. */
  readonly address: string;
  /** Takes no new calls, waits for those in hand, lets go of the connection. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** The runners there are, in the order of the source. */
export interface MemberList<R extends Member> {
  readonly runners: readonly R[];
  /** The source is in trouble: these are the last that were known. */
  readonly error?: Error;
}

/** Where the addresses of runners come from: a file, DNS, etcd, … */
export interface MembershipSource {
  /** Begins to look, and goes on until closed, whatever happens. Called once; may report before it returns. */
  start(listener: MembershipListener): void;
  /** Lets go of everything; no report comes after it was called. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Hears of each look at a source. Neither method throws. */
export interface MembershipListener {
  /**
   * All the runners there are now, `host:port` each, in an order that every balancer sees alike. To report the same
   * again says that it still holds. An empty list is taken at its word: a source that cannot tell "none" from "I do not
   * know" reports a failure instead.
   */
  onMembers(addresses: readonly string[]): void;
  /** The source could not be read. What was known stays in use. */
  onFailure(error: Error): void;
}

/** What every source is given. */
export interface SourceDeps {
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** What an operator can be shown about a pool. JSON; ages in milliseconds. */
export interface PoolStatus {
  /** The kind of pool, as the scheme of `FN_RUNNER_POOL`. */
  readonly kind: string;
  /** What it reads, without secrets. */
  readonly source: string;
  /** Runners that calls are offered to, in the pool's order. */
  readonly addresses: readonly string[];
  /** Runners that have left and still have calls in hand. */
  readonly leaving: readonly string[];
  /** What the source lists and no runner was made for. */
  readonly refused: readonly RefusedAddress[];
  /** Since the source last said what runners there are. Undefined: it never has. */
  readonly listAgeMs: number | undefined;
  /** Since a runner joined or left. */
  readonly changedAgeMs: number | undefined;
  /** The source cannot be read now; the addresses are the last that were known. */
  readonly failing: boolean;
  readonly lastFailure: { readonly reason: string; readonly ageMs: number } | undefined;
}

export interface RefusedAddress {
  readonly address: string;
  readonly reason: string;
}
