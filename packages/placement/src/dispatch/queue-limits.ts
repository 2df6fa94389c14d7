/** How much may wait for a runner. */
export interface QueueLimits {
  /** Number of calls. */
  readonly maxCalls: number;
  /** Bytes of bodies that waiting calls keep in memory. */
  readonly maxBytes: number;
}
