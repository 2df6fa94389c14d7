import { type Clock, earliest, later, type MonoMs } from '@fnfleet/core';
import { LazyTimer } from '../exchange/lazy-timer.js';

/** The time limits of a call, milliseconds. */
export interface CallTime {
  /** For the function. */
  readonly functionMs: number;
  /** For the caller to send the next `callerBytes` of a body that the function is receiving. */
  readonly callerMs: number;
  /** How many bytes restart the caller's time. Fewer within `callerMs` count as none. */
  readonly callerBytes: number;
  /** Ends the call regardless of the other limits. */
  readonly deadlineAt: MonoMs | undefined;
}

/** Reports of an exchange about whom its call is waiting for. */
export interface Turns {
  /**
   * The call waits for more of the caller's body.
   * @param bytes how many arrived since the last report
   */
  callersTurn(bytes: number): void;
  functionsTurn(): void;
}

/**
 * Measures the time of the function and that of the caller separately while a container serves a call.
 *
 * C1  The function's timeout runs only while it is the function's turn: until the request can be sent, while the function
 *     reads nothing although part of the body is available, and after the last byte of the request or the first of the response.
 * C2  The call ends when its caller sends too little of a body in time. Otherwise a byte now and then could occupy a container
 *     indefinitely.
 */
export class CallClock implements Turns {
  private readonly timer: LazyTimer;
  private turn: 'function' | 'caller' | 'none' = 'none';
  private time: CallTime = { functionMs: 0, callerMs: 0, callerBytes: 0, deadlineAt: undefined };
  /** Bytes that the caller has to send before its time restarts. */
  private owedBytes = 0;
  /** Remaining time of the function; as of `since` while it is the function's turn. */
  private leftMs = 0;
  private since: MonoMs;

  constructor(
    private readonly clock: Clock,
    private readonly onLate: (who: 'function' | 'caller') => void,
  ) {
    this.since = clock.now();
    this.timer = new LazyTimer(clock, () => this.late());
  }

  /** Starts a call, with the function's turn. */
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
    this.timer.cancel();
  }

  /** Releases the timer. */
  close(): void {
    this.turn = 'none';
    this.timer.close();
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
