import type { PlacementOutcome } from '@fnfleet/placement';
import type { Machine } from '../fleet/machine.js';
import type { SimulatedCall } from '../fleet/simulated-call.js';

/** The result of one run, without the calls of the warm-up. */
export interface RunResult {
  readonly calls: number;
  /** Response time divided by execution time, of all calls, including failed ones. */
  readonly slowdown: Tail;
  /** Response time minus execution time, milliseconds. */
  readonly addedMs: Tail;
  /** Share of placed calls for which a container was started. */
  readonly coldShare: number;
  readonly engagementsPerCall: number;
  readonly refusalsPerPlaced: number;
  /** Memory time of calls on the busiest runner, divided by the mean of all runners present for the whole run. */
  readonly loadSpread: number;
  /** Calls that no runner accepted. */
  readonly unplaced: number;
  /** Calls whose runner went down. */
  readonly failed: number;
}

/** Records how the calls of a run end. */
export class RunRecord {
  private readonly slowdown: Sample;
  private readonly addedMs: Sample;
  private counted = 0;
  private placed = 0;
  private cold = 0;
  private engagements = 0;
  private refusals = 0;
  private unplaced = 0;
  private failed = 0;
  /** Calls that have ended, including those of the warm-up. */
  ended = 0;

  constructor(
    calls: number,
    private readonly warmUp: number,
  ) {
    this.slowdown = new Sample(calls);
    this.addedMs = new Sample(calls);
  }

  end(call: SimulatedCall, placement: PlacementOutcome, nowMs: number): void {
    this.ended += 1;
    if (call.index < this.warmUp) return;
    const responseMs = nowMs - call.arrivedAtMs;
    this.counted += 1;
    this.slowdown.add(responseMs / call.execMs);
    this.addedMs.add(responseMs - call.execMs);
    this.engagements += call.engagements;
    this.refusals += call.refusals;
    if (placement.kind === 'unplaced') {
      this.unplaced += 1;
      return;
    }
    this.placed += 1;
    if (call.cold) this.cold += 1;
    if (placement.kind === 'failed') this.failed += 1;
  }

  result(machines: readonly Machine[]): RunResult {
    const busy = machines.map(({ busyMbMs }) => busyMbMs);
    const mean = busy.reduce((sum, value) => sum + value, 0) / busy.length;
    return {
      calls: this.counted,
      slowdown: this.slowdown.tail(),
      addedMs: this.addedMs.tail(),
      coldShare: share(this.cold, this.placed),
      engagementsPerCall: share(this.engagements, this.counted),
      refusalsPerPlaced: share(this.refusals, this.placed),
      loadSpread: share(Math.max(...busy), mean),
      unplaced: this.unplaced,
      failed: this.failed,
    };
  }
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Exact quantiles: keeps and sorts all values, 8 bytes each. */
class Sample {
  private readonly values: Float64Array;
  private count = 0;
  private sorted = false;

  constructor(capacity: number) {
    this.values = new Float64Array(capacity);
  }

  add(value: number): void {
    this.values[this.count++] = value;
    this.sorted = false;
  }

  /** The smallest value that at least this share of all values do not exceed. 0 if there are none. */
  quantile(share: number): number {
    const all = this.values.subarray(0, this.count);
    if (!this.sorted) all.sort();
    this.sorted = true;
    return all[Math.max(0, Math.ceil(share * this.count) - 1)] ?? 0;
  }

  /** p50, p99 and p99.9. */
  tail(): Tail {
    return { p50: this.quantile(0.5), p99: this.quantile(0.99), p999: this.quantile(0.999) };
  }
}

export interface Tail {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}
