/** Counts the engagements of a runner for `Status`. Received = handled + active, including refusals. */
export class EngagementCounters {
  private open = 0;
  private opened = 0;

  /** @returns a function to call when the stream has ended; idempotent */
  enter(): () => void {
    this.open += 1;
    this.opened += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.open -= 1;
    };
  }

  get active(): number {
    return this.open;
  }

  snapshot(): { active: number; requestsReceived: number; requestsHandled: number } {
    return { active: this.open, requestsReceived: this.opened, requestsHandled: this.opened - this.open };
  }
}
