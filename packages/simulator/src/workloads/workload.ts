/** One function as a workload knows it. */
export interface FunctionProfile {
  readonly appId: string;
  readonly fnId: string;
  readonly memoryMb: number;
}

/** The calls of a workload, one row a call, in the order they arrive. Columns, so that millions fit. */
export interface CallTable {
  readonly count: number;
  /** Arrival, from the start of the run. */
  readonly atMs: Float64Array;
  /** Index into the workload's functions. */
  readonly fn: Uint32Array;
  /** Time that the function runs, on a runner of speed 1. */
  readonly execMs: Float64Array;
  /** Time that a container takes to start, should this call need one, on a runner of speed 1. */
  readonly initMs: Float64Array;
}

/** All that happens is fixed beforehand, so that every placer gets the very same calls. */
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
  /** Memory that executing calls hold at a time, on average. */
  readonly busyMb: number;
  /** How far the rate swings around its mean, once in the run: 0 is steady, 1 goes down to nothing and up to twice. */
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

/** Memory that executing calls hold on average between the first arrival and the last, if none ever waits. */
export function busyMbOf({ functions, calls }: Workload): number {
  let mbMs = 0;
  for (let i = 0; i < calls.count; i += 1) {
    mbMs += (functions[calls.fn[i] as number] as FunctionProfile).memoryMb * (calls.execMs[i] as number);
  }
  const first = calls.atMs[0] ?? 0;
  const last = calls.atMs[calls.count - 1] ?? 0;
  return mbMs / Math.max(last - first, 1e-6);
}

/** The same calls closer together or further apart, so that executing ones hold so much memory on average. */
export function paced(workload: Workload, busyMb: number): Workload {
  const factor = busyMbOf(workload) / busyMb;
  const first = workload.calls.atMs[0] ?? 0;
  return { ...workload, calls: { ...workload.calls, atMs: workload.calls.atMs.map((at) => (at - first) * factor) } };
}
