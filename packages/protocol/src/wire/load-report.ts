/**
 * What a runner says of its load: at the end of each attempt and in `Status`. For balancers that place calls by it; a
 * runner of Fn says nothing, and nobody may need it.
 */
export interface LoadReport {
  /** Names the runner's process, at random: another one at the same address has another. Empty: not told. */
  readonly instanceId: string;
  /** Promised to containers, idle ones included. */
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** What idle containers among them would give up for another function. Undefined: not told. */
  readonly memoryIdleBytes?: number | undefined;
  readonly cpuUsedMillis: number;
  readonly cpuTotalMillis: number;
  /** Engagements that are open; the one that brings the report is among them. */
  readonly active: number;
  /** Calls that wait for a container. */
  readonly waiting: number;
  /** Hot containers that could take another call of the same function at once. Undefined: no function is spoken of. */
  readonly freeSlots: number | undefined;
  /** It takes no more calls and will be gone soon. */
  readonly draining: boolean;
  /** It cannot make containers at present; hot ones go on serving. */
  readonly degraded: boolean;
  /** Why, for operators. Told in `Status` only; empty elsewhere. */
  readonly degradedReason: string;
}
