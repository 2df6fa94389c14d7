/** How much may wait for a runner. */
export interface QueueLimits {
  /** Calls. */
  readonly maxCalls: number;
  /** Bytes of bodies that waiting calls keep in memory. */
  readonly maxBytes: number;
}
