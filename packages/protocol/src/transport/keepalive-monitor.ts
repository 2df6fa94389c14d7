import type { Clock, Timer } from '@fnfleet/core';

export interface KeepaliveOptions {
  /** Sends a PING; returns false if that is not possible now. Calls back with the answer, or never. */
  readonly ping: (answered: () => void) => boolean;
  /** Bytes received from the peer so far. */
  readonly bytesRead: () => number;
  /** Whether somebody waits for the peer. If not, PINGs are rare. */
  readonly isBusy: () => boolean;
  /** Called at each look. */
  readonly onLook?: () => void;
  /** Interval between looks, milliseconds. */
  readonly everyMs: number;
  /** How long a PING may stay unanswered before the peer is considered lost, milliseconds. */
  readonly limitMs: number;
  readonly onLost: (unresponsiveMs: number) => void;
  readonly clock: Pick<Clock, 'after'>;
}

/** Looks between two PINGs while nobody waits. */
const IDLE_LOOKS = 20;

/**
 * Monitors a connection with PINGs. TCP does not report that the network of a peer is gone: it retransmits unacknowledged data for
 * a quarter of an hour.
 *
 * Time is counted in looks, not by the clock: a process that was itself suspended must not blame its peers.
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

  /** A PING is overdue. */
  get isUnresponsive(): boolean {
    return this.unansweredLooks > 0;
  }

  close(): void {
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
    this.close();
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
