import { type Clock, earliest, later, type MonoMs } from '@fnfleet/core';
import { LazyTimer } from '../exchange/lazy-timer.js';

/** What a call is given, milliseconds. */
export interface CallTime {
  /** For its function. */
  readonly functionMs: number;
  /** For its caller, to send some more of a body that the function is receiving. */
  readonly callerMs: number;
  /** What is enough for a time anew: less of it within `callerMs` is as good as nothing. */
  readonly callerBytes: number;
  /** When it ends at the latest, whatever happens. */
  readonly deadlineAt: MonoMs | undefined;
}

/** Whom a call waits for, as its exchange knows. */
export interface Turns {
  /**
   * The caller owes more of its body.
   * @param bytes of it that came since the last time
   */
  callersTurn(bytes: number): void;
  functionsTurn(): void;
}

/**
 * Whose time passes while a container serves a call.
 *
 * C1  A function has its time once, and it passes only when it is the function's turn: until its request can be sent, while it
 *     takes nothing of a body that is there, and from the last byte of the request on, or its first answer.
 * C2  A caller who sends too little of a body within its time has the call ended. A byte now and then would hold a container
 *     for ever.
 */
export class CallClock implements Turns {
  private readonly timer: LazyTimer;
  private turn: 'function' | 'caller' | 'none' = 'none';
  private time: CallTime = { functionMs: 0, callerMs: 0, callerBytes: 0, deadlineAt: undefined };
  /** What the caller has to send before its time begins anew. */
  private owedBytes = 0;
  /** What the function has left, at `since` if it is its turn. */
  private leftMs = 0;
  private since: MonoMs;

  constructor(
    private readonly clock: Clock,
    private readonly onLate: (who: 'function' | 'caller') => void,
  ) {
    this.since = clock.now();
    this.timer = new LazyTimer(clock, () => this.late());
  }

  /** A call begins, with the function's turn. */
  begin(time: CallTime): void {
    this.time = time;
    this.leftMs = time.functionMs;
    this.since = this.clock.now();
    this.turn = 'function';
    this.timer.set(this.boundedMs(this.leftMs));
  }

  callersTurn(bytes: number): void {
    if (this.turn === 'none') return;
    if (this.turn === 'function') this.leftMs = Math.max(0, this.leftMs - (this.clock.now() - this.since));
    this.owedBytes -= bytes;
    if (this.turn === 'caller' && this.owedBytes > 0) return;
    this.turn = 'caller';
    this.owedBytes = this.time.callerBytes;
    this.timer.set(this.boundedMs(this.time.callerMs));
  }

  functionsTurn(): void {
    if (this.turn !== 'caller') return;
    this.turn = 'function';
    this.since = this.clock.now();
    this.timer.set(this.boundedMs(this.leftMs));
  }

  end(): void {
    this.turn = 'none';
    this.timer.clear();
  }

  /** Gives the clock's timer back. */
  stop(): void {
    this.turn = 'none';
    this.timer.stop();
  }

  private boundedMs(ms: number): number {
    const { deadlineAt } = this.time;
    if (deadlineAt === undefined) return ms;
    const now = this.clock.now();
    return Math.max(0, earliest(later(now, ms), deadlineAt) - now);
  }

  private late(): void {
    const { turn } = this;
    if (turn === 'none') return;
    const { deadlineAt } = this.time;
    const over = deadlineAt !== undefined && this.clock.now() >= deadlineAt;
    this.onLate(over ? 'function' : turn);
  }
}
