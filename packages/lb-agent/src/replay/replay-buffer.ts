import type { Readable } from 'node:stream';
import { CancelledError, FnError } from '@fnfleet/core';
import type { BodyPiece, BodyReader } from '@fnfleet/protocol';
import type { CallBody } from '../call/call-body.js';
import type { LossReason, ReplayBudget } from './replay-budget.js';
import { ReplayStore } from './replay-store.js';

export interface ReplayBufferLimits {
  /** Bytes kept in memory for another attempt; what exceeds them goes to disk, if the budget has one. */
  readonly keepBytes: number;
  /** Largest body; 0: no limit. Counted as bytes arrive, so a body of unknown length is held to it too. */
  readonly maxBytes: number;
  /** Shared by all calls. */
  readonly budget: ReplayBudget;
}

/** A stream of bytes of which it may be known early that all of them have arrived: node's `IncomingMessage`. */
export interface BodySource extends Readable {
  readonly complete?: boolean;
}

const EMPTY_LAST: BodyPiece = { data: Buffer.alloc(0), last: true };

/**
 * A request body on its way from a client to a runner, kept as long as it may have to be sent again.
 *
 *   source ──read on demand──▶ reader (one at a time)
 *               └──▶ store: memory, then a file; until the call is committed or there is no room
 *
 * B1  Bytes are taken from the source only when the reader asks, so a slow runner stops the client; so does a slow disk,
 *     and from the disk too they are read only when asked for.
 * B2  A reader that starts over gets what was kept, then goes on where the one before stopped.
 * B3  The piece that completes the body says so, if its end is known by then: a small body travels in one frame.
 * B4  Once committed and without a reader the source is let go: nobody will read on.
 * B5  Keeping never ends a call, nor stops one for good: without room its body goes on, but can no longer be sent again.
 * B6  What was kept is let go as soon as no reader can need it: at the commit, with the loss of a part, or when the reader
 *     that was replaying it by then has passed its end.
 * B7  `arrival` takes what comes ahead of the first reader, and keeps it: a source with bytes in it would pass for one that is
 *     not read, and not for a client that owes some.
 */
export class ReplayBuffer implements CallBody {
  replayable = true;
  private readonly store: ReplayStore;
  private arrivedBytes = 0;
  private ended = false;
  private committed = false;
  private listening = false;
  private failure: Error | undefined;
  private reader: Reader | undefined;
  /** Of whoever waits for the body to arrive. */
  private onArrival: (() => void) | undefined;

  /**
   * @param declaredBytes the announced length; undefined: not known
   * @param onReleased called once, when nobody will read on (B4)
   */
  constructor(
    private readonly source: BodySource,
    private readonly declaredBytes: number | undefined,
    private readonly limits: ReplayBufferLimits,
    private readonly onReleased: () => void = () => undefined,
  ) {
    this.ended = declaredBytes === 0;
    this.store = new ReplayStore(limits.keepBytes, limits.budget, {
      onProgress: () => this.wake(),
      onFailure: (error) => {
        this.lose('disk_failed', error);
        this.wake();
      },
    });
  }

  get heldBytes(): number {
    return this.store.memoryBytes;
  }

  arrival(upTo: number, signal: AbortSignal): Promise<void> | undefined {
    if (this.ended || (this.declaredBytes ?? 0) > upTo) return undefined;
    if (this.source.complete === true && upTo !== Number.POSITIVE_INFINITY) return undefined;
    try {
      if (this.gather(upTo)) return undefined;
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown) => {
        this.onArrival = undefined;
        signal.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(signal.reason ?? new CancelledError());
      signal.addEventListener('abort', onAbort);
      const onArrival = () => {
        try {
          if (this.gather(upTo)) settle();
        } catch (error) {
          settle(error);
        }
      };
      this.onArrival = onArrival;
    });
  }

  open(): BodyReader {
    if (!this.replayable) throw new Error('the first bytes of this body are gone');
    this.reader?.close();
    this.reader = new Reader(this);
    return this.reader;
  }

  commit(): void {
    if (this.committed) return;
    this.committed = true;
    this.stopKeeping();
    if (this.reader === undefined) this.release();
  }

  /** The next piece from `offset` on, which is a byte that was kept or the next one of the source. */
  pieceAt(offset: number): BodyPiece | undefined {
    if (offset < this.arrivedBytes) return this.keptPiece(offset);
    if (!this.replayable) this.store.close(); // B6
    return this.ended ? EMPTY_LAST : this.nextPiece();
  }

  released(reader: Reader): void {
    if (this.reader !== reader) return;
    this.reader = undefined;
    if (!this.replayable) this.store.close(); // B6
    if (this.committed) this.release();
  }

  private release(): void {
    this.stopListening();
    this.onReleased();
  }

  private keptPiece(offset: number): BodyPiece | undefined {
    try {
      const data = this.store.from(offset);
      return data && { data, last: this.ended && offset + data.length === this.arrivedBytes };
    } catch (cause) {
      throw new FnError('internal', { cause });
    }
  }

  private nextPiece(): BodyPiece | undefined {
    if (this.failure) throw this.failure;
    const bytes = this.availableBytes();
    if (bytes === 0) return this.endOrWait();
    if (this.replayable && this.store.isBehind(bytes)) return undefined; // B1
    const data = this.take(bytes);
    const loss = this.replayable ? this.store.keep(data) : undefined;
    if (loss !== undefined) this.lose(loss);
    return { data, last: this.ended };
  }

  private take(bytes: number): Buffer {
    const data: Buffer = this.source.read(bytes);
    const length = this.arrivedBytes + data.length;
    const { maxBytes } = this.limits;
    if (maxBytes > 0 && length > maxBytes) {
      this.failure = new FnError('requestTooBig', { params: { length, max: maxBytes } });
      throw this.failure;
    }
    this.arrivedBytes = length;
    this.ended = length === this.declaredBytes || this.sourceEnded();
    return data;
  }

  /** B7. @returns whether there is nothing more to wait for */
  private gather(upTo: number): boolean {
    const { source, store } = this;
    while (!this.ended) {
      if (this.failure) throw this.failure;
      if (!this.replayable) return this.unheld(upTo, 'disk_failed');
      const bytes = this.availableBytes();
      const isLong = this.arrivedBytes + source.readableLength > upTo;
      if (isLong || (source.complete && upTo !== Number.POSITIVE_INFINITY)) return true;
      if (bytes === 0) {
        if (this.endOrWait() === undefined) return false;
      } else {
        if (store.isBehind(bytes)) return false;
        const data = this.take(bytes);
        const loss = store.keep(data);
        if (loss !== undefined) {
          source.unshift(data);
          this.arrivedBytes -= data.length;
          this.ended = false;
          return this.unheld(upTo, loss);
        }
      }
    }
    return true;
  }

  /** There is no room for what must be held: the call is refused. What only should be, streams on (B5). */
  private unheld(upTo: number, reason: LossReason): true {
    if (upTo !== Number.POSITIVE_INFINITY) return true;
    this.limits.budget.refused(reason);
    if (reason !== 'too_long') throw new FnError('serverBusy');
    const length = this.declaredBytes ?? this.arrivedBytes + this.source.readableLength;
    throw new FnError('requestTooBig', { params: { length, max: this.limits.keepBytes } });
  }

  /** A piece at most. */
  private availableBytes(): number {
    if (this.source.readableLength === 0) this.source.read(0);
    return Math.min(this.source.readableLength, this.limits.budget.pieceBytes);
  }

  private endOrWait(): BodyPiece | undefined {
    if (this.sourceEnded()) {
      // Somebody else read from the source: better no call than half of one.
      if (this.declaredBytes !== undefined && this.arrivedBytes !== this.declaredBytes) throw this.brokenOff();
      this.ended = true;
      return EMPTY_LAST;
    }
    if (this.source.destroyed) throw this.brokenOff();
    this.listen();
    return undefined;
  }

  private lose(reason: LossReason, error?: Error): void {
    if (!this.replayable) return;
    this.limits.budget.lost(reason, error);
    this.stopKeeping();
  }

  private stopKeeping(): void {
    this.replayable = false;
    // A reader that is still replaying needs what was kept a little longer.
    if (this.reader === undefined || this.reader.offset >= this.store.size) this.store.close();
  }

  /** An HTTP message tells that it is complete before its stream has ended. */
  private sourceEnded(): boolean {
    return this.source.readableEnded || (this.source.complete === true && this.source.readableLength === 0);
  }

  private listen(): void {
    if (this.listening) return;
    this.listening = true;
    this.source.on('readable', this.wake).on('end', this.wake).on('error', this.onError).on('close', this.wake);
  }

  private stopListening(): void {
    if (!this.listening) return;
    this.listening = false;
    this.source.off('readable', this.wake).off('end', this.wake).off('error', this.onError).off('close', this.wake);
  }

  private readonly wake = () => {
    this.onArrival?.();
    this.reader?.onReadable?.();
  };

  /** A source that breaks off is a client that left. */
  private brokenOff(): Error {
    this.failure ??= new CancelledError();
    return this.failure;
  }

  private readonly onError = () => {
    this.brokenOff();
    this.wake();
  };
}

class Reader implements BodyReader {
  onReadable: (() => void) | undefined;
  offset = 0;
  private closed = false;

  constructor(private readonly body: ReplayBuffer) {}

  read(): BodyPiece | undefined {
    if (this.closed) throw new Error('this reader is closed');
    const piece = this.body.pieceAt(this.offset);
    this.offset += piece?.data.length ?? 0;
    return piece;
  }

  close(): void {
    this.closed = true;
    this.onReadable = undefined;
    this.body.released(this);
  }
}
