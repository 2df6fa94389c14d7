import { type Clock, epochMs, type Timer, type WallMs } from '@fnfleet/core';

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
