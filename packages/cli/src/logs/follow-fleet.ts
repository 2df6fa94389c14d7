import { type Clock, epochMs, systemClock, type Timer, type WallMs } from '@fnfleet/core';
import type { CollectorSession, RunnerTls } from '@fnfleet/protocol';
import { followRunner } from './follow-runner.js';
import type { FleetLine } from './format-line.js';

export interface FollowFleetOptions {
  readonly runners: readonly string[];
  /** The TLS identity; undefined: plain text. */
  readonly tls?: RunnerTls;
  /** Opens a log session with a runner; over gRPC by default. */
  readonly collect?: (address: string) => (session: CollectorSession) => Promise<void>;
  readonly fnId: string;
  /** Number of earlier lines to start with, for each runner. */
  readonly tail: number;
  readonly follow: boolean;
  readonly onLine: (line: FleetLine) => void;
  /** Resolves when more lines can be taken. */
  readonly ready: () => Promise<void>;
  readonly onNotice: (text: string) => void;
  readonly clock?: Clock;
  readonly signal: AbortSignal;
}

/**
 * Shows the output of a function on all runners, sorted by time among lines that arrive together. Continues as long as
 * at least one runner can be followed.
 * @throws Error that says why no runner can be followed or, without `follow`, why one cannot
 */
export async function followFleet(options: FollowFleetOptions): Promise<void> {
  const { runners, tls, collect, fnId, tail, follow, ready, onNotice, clock = systemClock, signal } = options;
  const merger = new LineMerger<FleetLine>(clock, options.onLine);
  const following = runners.map((address) =>
    followRunner({
      address,
      tls,
      collect: collect?.(address),
      fnId,
      tail,
      follow,
      clock,
      signal,
      onNotice,
      onBatch: ({ lines, dropped }) => {
        if (dropped > 0) onNotice(`runner ${address} dropped ${dropped} lines because they were not read in time`);
        merger.push(lines.map((line) => ({ ...line, runner: address })));
        return ready();
      },
    }).catch((error: Error) => {
      if (runners.length > 1) onNotice(error.message);
      return error;
    }),
  );
  const failures = (await Promise.all(following)).filter((end) => end instanceof Error);
  merger.flush();
  const [failure] = failures;
  if (failure === undefined || (follow && failures.length < runners.length)) return;
  throw runners.length === 1
    ? failure
    : new Error(`${failures.length} of ${runners.length} runners could not be asked`);
}

/** Long enough to sort what several runners send at the same time, too short to be noticed. Milliseconds. */
const HOLD_MS = 200;

/** Sorts lines by time that arrive within a short moment from several runners. */
export class LineMerger<T extends { readonly at: WallMs }> {
  private held: T[] = [];
  private timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly emit: (line: T) => void,
  ) {}

  push(lines: readonly T[]): void {
    if (lines.length === 0) return;
    this.held.push(...lines);
    this.timer ??= this.clock.after(HOLD_MS, () => this.flush());
  }

  /** Emits all held lines immediately. */
  flush(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const lines = this.held.sort((a, b) => epochMs(a.at) - epochMs(b.at));
    this.held = [];
    for (const line of lines) this.emit(line);
  }
}
