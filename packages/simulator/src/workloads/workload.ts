/** A function of a workload. */
export interface FunctionProfile {
  readonly appId: string;
  readonly fnId: string;
  readonly memoryMb: number;
}

/** The calls of a workload in order of arrival, stored as columns so that millions fit into memory. */
export interface CallTable {
  readonly count: number;
  /** Arrival time since the start of the run. */
  readonly atMs: Float64Array;
  /** Index of the function in the workload. */
  readonly fn: Uint32Array;
  /** Execution time on a runner of speed 1. */
  readonly execMs: Float64Array;
  /** Start time of a container, if this call needs one, on a runner of speed 1. */
  readonly initMs: Float64Array;
}

/** A workload is fixed in advance, so that every placer gets exactly the same calls. */
export interface Workload {
  readonly name: string;
  readonly functions: readonly FunctionProfile[];
  readonly calls: CallTable;
}

export interface WorkloadFactory {
  readonly name: string;
  readonly doc: string;
  create(need: WorkloadNeed): Workload;
}

export interface WorkloadNeed {
  readonly seed: number;
  readonly calls: number;
  readonly runners: number;
  /** Average memory of executing calls. */
  readonly busyMb: number;
  /** Amplitude of one rate swing around the mean during the run: 0 is steady, 1 goes down to zero and up to double. */
  readonly swing: number;
}

export function newCallTable(count: number): CallTable {
  return {
    count,
    atMs: new Float64Array(count),
    fn: new Uint32Array(count),
    execMs: new Float64Array(count),
    initMs: new Float64Array(count),
  };
}

/** Average memory of executing calls between the first and the last arrival, if no call ever waits. */
export function busyMbOf({ functions, calls }: Workload): number {
  let mbMs = 0;
  for (let i = 0; i < calls.count; i += 1) {
    mbMs += (functions[calls.fn[i] as number] as FunctionProfile).memoryMb * (calls.execMs[i] as number);
  }
  const first = calls.atMs[0] ?? 0;
  const last = calls.atMs[calls.count - 1] ?? 0;
  return mbMs / Math.max(last - first, 1e-6);
}

/** Scales the time between calls so that executing ones hold the given memory on average. */
export function paced(workload: Workload, busyMb: number): Workload {
  const factor = busyMbOf(workload) / busyMb;
  const first = workload.calls.atMs[0] ?? 0;
  return { ...workload, calls: { ...workload.calls, atMs: workload.calls.atMs.map((at) => (at - first) * factor) } };
}
