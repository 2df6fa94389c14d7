import type { LoadReport } from '@fnfleet/protocol';
import type { Runner } from './runner.js';

/** One runner as a placer sees it. Live: what is read changes as calls end and reports come in. */
export interface Candidate {
  readonly runner: Runner;
  readonly address: string;
  /** Calls of this balancer that it has in hand. */
  readonly inFlight: number;
  /** The last that it told of itself. Undefined: nothing yet; a runner of Fn never tells. */
  readonly load: LoadReport | undefined;
  /** Hot containers of a function that are believed to be free; 0 when nothing is known. */
  freeSlots(fnId: string): number;
  /** Mean time from offer to outcome of a function's calls there, milliseconds. Undefined: none ended well yet. */
  latencyMs(fnId: string): number | undefined;
  /** How much of its share it may get, above 0 to 1: less than 1 for a newcomer (slow start). */
  readonly weight: number;
}

/** The runners that a call may be offered to. */
export interface Fleet {
  /** Never empty. The same array until the pool changes, in the pool's order. */
  readonly candidates: readonly Candidate[];
  /** Calls of this balancer that all its runners have in hand. */
  readonly inFlight: number;
  /** Those that are believed to have a free hot container of the function, the most recent last. */
  warm(fnId: string): Iterable<Candidate>;
}
