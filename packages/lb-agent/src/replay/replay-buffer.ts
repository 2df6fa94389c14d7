import type { Readable } from 'node:stream';
import { CancelledError, FnError } from '@fnfleet/core';
import type { BodyPiece, BodyReader } from '@fnfleet/protocol';
import type { CallBody } from '../call/lb-call.js';
import type { LossReason, ReplayBudget } from './replay-budget.js';
import { ReplayStore } from './replay-store.js';

export interface ReplayBufferLimits {
  /** Bytes kept in memory for another attempt; the rest goes to disk, if the budget includes one. */
  readonly keepBytes: number;
  /** Maximum body; 0: no limit. Counts received bytes, so it also applies to a body of unknown length. */
  readonly maxBytes: number;
  /** Shared by all calls. */
  readonly budget: ReplayBudget;
}

/** A byte stream that may report early that it is complete: node's `IncomingMessage`. */
export interface BodySource extends Readable {
  readonly complete?: boolean;
}

const EMPTY_LAST: BodyPiece = { data: Buffer.alloc(0), last: true };

/**
 * A request body on its way from a client to a runner, kept while it may have to be sent again.
 *
 *   source ──read on demand──▶ reader (one at a time)
 *               └──▶ store: memory, then a file; until the call is committed or there is no room
 *
 * B1  Bytes are read from the source only on demand, so a slow runner applies backpressure to the client; so does a
 *     slow disk. Reads from the disk happen on demand, too.
 * B2  A new reader gets the kept bytes, then continues where the previous one stopped.
 * B3  The last chunk is marked as such if the end is known by then, so that a small body fits into one frame.
 * B4  Once the call is committed and has no reader, the source is released: nothing will be read any more.
 * B5  Keeping a body never fails or blocks a call: without space the body is streamed, but cannot be sent again.
 * B6  Kept bytes are released as soon as no reader can need them: at the commit, when a part is lost, or when a reader
 *     that is still replaying them has passed their end.
 * B7  `arrival` reads and keeps bytes before there is a reader. If they stayed in the source, a client that stops
 *     sending could not be told from a call that does not read.
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
  /** Callbacks that wait for the body to arrive. */
  private onArrival: (() => void) | undefined;

  /**
   * @param declaredBytes the announced length; undefined if unknown
   * @param onReleased called once, when nothing will be read any more (B4)
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

  /** The next chunk from `offset` on, which is a kept byte or the next one of the source. */
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

  /** B7. @returns whether the wait is over */
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

  /** Without space, a body that must be held makes the call fail; any other is streamed (B5). */
  private unheld(upTo: number, reason: LossReason): true {
    if (upTo !== Number.POSITIVE_INFINITY) return true;
    this.limits.budget.refused(reason);
    if (reason !== 'too_long') throw new FnError('serverBusy');
    const length = this.declaredBytes ?? this.arrivedBytes + this.source.readableLength;
    throw new FnError('requestTooBig', { params: { length, max: this.limits.keepBytes } });
  }

  /** Reads at most one chunk. */
  private availableBytes(): number {
    if (this.source.readableLength === 0) this.source.read(0);
    return Math.min(this.source.readableLength, this.limits.budget.pieceBytes);
  }

  private endOrWait(): BodyPiece | undefined {
    if (this.sourceEnded()) {
      // Other code has read from the source: failing the call is better than truncating its body.
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
    // A reader that is still replaying needs the kept bytes a little longer.
    if (this.reader === undefined || this.reader.offset >= this.store.size) this.store.close();
  }

  /** An HTTP message reports that it is complete before its stream has ended. */
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

  /** A source that ends early means that the client disconnected. */
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
