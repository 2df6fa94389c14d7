import type { Readable } from 'node:stream';
import { CancelledError, FnError } from '@fnfleet/core';
import type { BodyPiece, BodyReader, ReplayableBody } from '@fnfleet/protocol';

export interface ReplayBufferLimits {
  /** Bytes kept for another attempt. Once more have passed, a refused call can no longer be offered again. */
  readonly keepBytes: number;
  /** Largest body; 0: no limit. Counted as bytes arrive, so a body of unknown length is held to it too. */
  readonly maxBytes: number;
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
 *               └──▶ kept, until `keepBytes` have passed or the call is committed
 *
 * B1  Bytes are taken from the source only when the reader asks, so a slow runner stops the client.
 * B2  A reader that starts over gets what was kept, then goes on where the one before stopped.
 * B3  The piece that completes the body says so, if its end is known by then: a small body travels in one frame.
 * B4  Once committed and without a reader the source is let go: nobody will read on.
 */
export class ReplayBuffer implements ReplayableBody {
  replayable = true;
  private kept: Buffer[] = [];
  private arrivedBytes = 0;
  private ended = false;
  private committed = false;
  private listening = false;
  private failure: Error | undefined;
  private reader: Reader | undefined;

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
    if (this.reader === undefined) this.release();
    // A reader that is still replaying needs what was kept a little longer.
    else if (this.reader.position >= this.kept.length) this.forget();
  }

  /** Piece number `position` of the body, counted from its start. */
  pieceAt(position: number): BodyPiece | undefined {
    const kept = this.kept[position];
    if (kept !== undefined) return { data: kept, last: this.ended && position === this.kept.length - 1 };
    if (this.ended) return EMPTY_LAST;
    return this.nextPiece();
  }

  released(reader: Reader): void {
    if (this.reader !== reader) return;
    this.reader = undefined;
    if (this.committed) this.release();
  }

  private release(): void {
    this.forget();
    this.stopListening();
    this.onReleased();
  }

  private nextPiece(): BodyPiece | undefined {
    if (this.failure) throw this.failure;
    const data: Buffer | null = this.source.read();
    if (data === null) {
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
    this.arrivedBytes += data.length;
    const { maxBytes } = this.limits;
    if (maxBytes > 0 && this.arrivedBytes > maxBytes) {
      this.failure = new FnError('requestTooBig', { params: { length: this.arrivedBytes, max: maxBytes } });
      throw this.failure;
    }
    this.keep(data);
    this.ended = this.arrivedBytes === this.declaredBytes || this.sourceEnded();
    return { data, last: this.ended };
  }

  private keep(data: Buffer): void {
    if (this.committed || !this.replayable) return;
    if (this.arrivedBytes <= this.limits.keepBytes) this.kept.push(data);
    else this.forget();
  }

  private forget(): void {
    this.replayable = false;
    this.kept = [];
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

  private readonly wake = () => this.reader?.onReadable?.();

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
  position = 0;
  private closed = false;

  constructor(private readonly body: ReplayBuffer) {}

  read(): BodyPiece | undefined {
    if (this.closed) throw new Error('this reader is closed');
    const piece = this.body.pieceAt(this.position);
    if (piece !== undefined) this.position += 1;
    return piece;
  }

  close(): void {
    this.closed = true;
    this.onReadable = undefined;
    this.body.released(this);
  }
}
