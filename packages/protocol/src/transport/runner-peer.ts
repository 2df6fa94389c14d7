import { TurnoverMap, TurnoverSet } from '@fnfleet/core';
import type { StartAckMode } from '../engage/start-ack.js';
import type { Connection } from './connection.js';
import { H2_ERROR } from './wire.js';

/** Consecutive refused streams after which the connection counts as sick. */
const MAX_REFUSALS = 3;
/** How long a runner may delay its trailers, in looks. */
const LINGER_LOOKS = 1;

/** A stream that waits for the trailers of its runner. */
export interface Lingering {
  destroy(): void;
}

/** What one connection has shown about the runner at its other end. */
export class RunnerPeer {
  /** The guarantee for `started` that the runner has announced on some stream; it holds for all of them. */
  startAckMode: StartAckMode | undefined;
  hasAnswered = false;
  refusals = 0;
  private calm = false;
  private readonly awaitPing = new TurnoverSet<() => void>();
  private watching = false;
  private readonly lingering = new TurnoverMap<Lingering, number>();

  constructor(readonly connection: Connection) {}

  get takesStreams(): boolean {
    return this.connection.takesStreams && !this.isSick;
  }

  /** It refuses streams without announcing that it leaves. */
  get isSick(): boolean {
    return this.calm || this.refusals >= MAX_REFUSALS;
  }

  /** A stream has been answered. */
  noteAnswer(): void {
    this.hasAnswered = true;
    this.refusals = 0;
  }

  /** A stream was reset before it was answered. */
  noteReset(code: number): void {
    if (code === H2_ERROR.ENHANCE_YOUR_CALM) this.calm = true;
    if (code === H2_ERROR.REFUSED_STREAM) this.refusals += 1;
  }

  /**
   * Calls back when the runner has sent another PING. It is answered in the same turn of the event loop: before that the runner has
   * no receipt, afterwards it may have one.
   * @returns a function that cancels it
   */
  onNextPing(callback: () => void): () => void {
    this.awaitPing.add(callback);
    if (!this.watching) {
      this.watching = true;
      this.connection.onNextPing(() => {
        this.watching = false;
        const callbacks = [...this.awaitPing];
        this.awaitPing.clear();
        for (const wake of callbacks) wake();
      });
    }
    return () => this.awaitPing.delete(callback);
  }

  /** Destroys the stream unless it ends within the next looks. */
  linger(stream: Lingering): void {
    this.lingering.set(stream, 0);
  }

  ended(stream: Lingering): void {
    this.lingering.delete(stream);
  }

  /** Called a few times a second. @param mayCut whether it is one of our runners, which always reads */
  look(mayCut: boolean): void {
    this.connection.look(mayCut);
    for (const [stream, looks] of this.lingering) {
      if (looks < LINGER_LOOKS) this.lingering.set(stream, looks + 1);
      else {
        this.lingering.delete(stream);
        this.connection.protect(() => stream.destroy());
      }
    }
  }
}
