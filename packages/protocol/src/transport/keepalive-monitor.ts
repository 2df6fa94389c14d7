import type { Clock, Timer } from '@fnfleet/core';

export interface KeepaliveOptions {
  /** Asks the peer for a sign of life; false: that is not possible now. Calls back when it has come, or never. */
  readonly ping: (answered: () => void) => boolean;
  /** Bytes that have come from the peer so far. */
  readonly bytesRead: () => number;
  /** Whether somebody waits for the peer. If not, it is asked seldom. */
  readonly isBusy: () => boolean;
  /** Called at each look. */
  readonly onLook?: () => void;
  /** How often to look, milliseconds. */
  readonly everyMs: number;
  /** A peer that is asked for so long without a sign is taken for lost, milliseconds. */
  readonly limitMs: number;
  readonly onLost: (unresponsiveMs: number) => void;
  readonly clock: Pick<Clock, 'after'>;
}

/** With nobody waiting, a peer that says nothing is asked every so many looks. */
const IDLE_LOOKS = 20;

/**
 * Watches a connection for silence. TCP does not tell of a peer whose network is gone: for a quarter of an hour it sends
 * again what is not acknowledged.
 *
 * Time is counted in looks, not by the clock: a process that was itself held up for a while must not blame its peers.
 */
export class KeepaliveMonitor {
  private timer: Timer;
  private asking = false;
  private unansweredLooks = 0;
  private idleLooks = 0;
  private seenBytes = 0;

  constructor(private readonly options: KeepaliveOptions) {
    this.timer = this.next();
  }

  /** It has been asked for a sign of life and owes it for longer than usual. */
  get isUnresponsive(): boolean {
    return this.unansweredLooks > 0;
  }

  stop(): void {
    this.timer.cancel();
  }

  private next(): Timer {
    return this.options.clock.after(this.options.everyMs, () => {
      this.timer = this.next();
      this.options.onLook?.();
      this.look();
    });
  }

  private look(): void {
    const { bytesRead, everyMs, limitMs, onLost } = this.options;
    const bytes = bytesRead();
    if (bytes !== this.seenBytes) this.unansweredLooks = 0;
    else if (this.asking) this.unansweredLooks += 1;
    else this.ask();
    this.seenBytes = bytes;
    const unresponsiveMs = this.unansweredLooks * everyMs;
    if (unresponsiveMs < limitMs) return;
    this.stop();
    onLost(unresponsiveMs);
  }

  private ask(): void {
    const { isBusy, ping } = this.options;
    this.idleLooks += 1;
    if (!isBusy() && this.idleLooks < IDLE_LOOKS) return;
    this.idleLooks = 0;
    this.asking = ping(() => {
      this.asking = false;
      this.unansweredLooks = 0;
    });
  }
}
