import { type Clock, epochMs, type Timer, type WallMs } from '@fnfleet/core';

/** Long enough for what several runners send at the same time, too short to be noticed. */
const HOLD_MS = 200;

/** Puts lines that arrive within a moment, from wherever they come, in the order of their time. */
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

  /** Emits what is held at once. */
  flush(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const lines = this.held.sort((a, b) => epochMs(a.at) - epochMs(b.at));
    this.held = [];
    for (const line of lines) this.emit(line);
  }
}
