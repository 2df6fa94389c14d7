import type { WallMs } from '@fnfleet/core';
/** Who a runner is, as it tells in `Status`: for operators. A runner of Fn tells nothing of this. */
export interface RunnerAbout {
  /** FN_RUNNER_NAME. */
  readonly name: string;
  readonly version: string;
  /** When it answered, by its own wall clock. */
  readonly nowMs: WallMs;
  /** Where it serves HTTP, at the host of its address. Undefined: not told. */
  readonly httpPort: number | undefined;
  /** Functions that have hot containers there. */
  readonly hotFunctions: number;
  readonly hotContainers: number;
  /** Images that it is pulling for calls, some of them if there are many. */
  readonly pulls: readonly AboutPull[];
}

/** An image that a runner is pulling. */
export interface AboutPull {
  readonly image: string;
  /** Of the layers whose download has begun; both 0: not known. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}
