import type { WallMs } from '@fnfleet/core';
/** What a runner says about itself in `Status`, for operators. Runners of Fn send none of this. */
export interface RunnerAbout {
  /** FN_RUNNER_NAME. */
  readonly name: string;
  readonly version: string;
  /** The time of the answer, by the runner's wall clock. */
  readonly nowMs: WallMs;
  /** HTTP port, at the host of its address. Undefined if not reported. */
  readonly httpPort: number | undefined;
  /** Functions with hot containers on it. */
  readonly hotFunctions: number;
  readonly hotContainers: number;
  /** Images that it is pulling for calls; only some of them if there are many. */
  readonly pulls: readonly AboutPull[];
}

/** An image that a runner is pulling. */
export interface AboutPull {
  readonly image: string;
  /** Bytes of the layers whose download has begun; both 0 if unknown. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}
