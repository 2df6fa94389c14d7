import { Readable } from 'node:stream';
import { type BorrowedBytes, giveSlab, type RequestBody, SLAB_BYTES, takeSlab } from '@fnfleet/core';

/** Buffered frames beyond this stop the stream; a small body has arrived completely by then. */
const HIGH_WATER_BYTES = 64 * 1024;

/**
 * A request body fed by data frames. While the call waits for a slot, frames are buffered up to HIGH_WATER_BYTES; after that
 * flow control holds them back at the balancer. The consumer takes the body whole if it is complete, otherwise as a stream: what
 * arrives in one turn of the event loop is then collected in a slab, which the reader of the stream may give back.
 */
export class FrameBody implements RequestBody {
  consumed = false;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private complete = false;
  private discarded = false;
  private readable: Readable | undefined;
  private failure: Error | undefined;
  private wantsMore = false;
  /** The slab that the last held piece is in; more bytes fit behind it. */
  private slab: Buffer | undefined;
  private slabBytes = 0;
  private scheduled = false;

  /** @param flow pauses and resumes the stream of the frames */
  constructor(private readonly flow: { pause(): void; resume(): void }) {}

  takeComplete(): Buffer | undefined {
    if (!this.complete || this.readable !== undefined) return undefined;
    const [only] = this.held;
    const whole = this.held.length === 1 && only !== undefined ? only : Buffer.concat(this.held);
    this.drop();
    this.consumed = true;
    return whole;
  }

  stream(): Readable {
    this.readable ??= new Readable({
      highWaterMark: HIGH_WATER_BYTES,
      read: () => {
        this.wantsMore = true;
        this.deliver();
      },
      destroy: (error, callback) => {
        this.discard();
        callback(error);
      },
    });
    if (this.failure) this.readable.destroy(this.failure);
    return this.readable;
  }

  /** A frame has arrived. */
  push(data: BorrowedBytes, eof: boolean): void {
    if (this.discarded || this.complete) return;
    if (data.length > 0) this.hold(data);
    this.complete = eof;
    if (eof || this.heldBytes >= HIGH_WATER_BYTES) this.deliver();
    else if (this.readable !== undefined && !this.scheduled) {
      this.scheduled = true;
      process.nextTick(this.endTurn);
    }
    if (this.heldBytes >= HIGH_WATER_BYTES && !this.complete) this.flow.pause();
  }

  /** No more frames will come, although the body is not complete. */
  fail(error: Error): void {
    if (this.complete || this.discarded) return;
    this.failure = error;
    this.drop();
    this.readable?.destroy(error);
  }

  /** Nobody will read the rest: buffered frames are dropped, and the stream flows on so that its end is seen. */
  discard(): void {
    if (this.discarded) return;
    this.discarded = true;
    this.drop();
    this.flow.resume();
  }

  private readonly endTurn = (): void => {
    this.scheduled = false;
    this.deliver();
  };

  private hold(data: BorrowedBytes): void {
    this.heldBytes += data.length;
    // A body that waits for its function occupies no more than its own size.
    if (this.readable === undefined) {
      this.held.push(Buffer.from(data));
      return;
    }
    for (let at = 0; at < data.length; ) {
      if (this.slab === undefined || this.slabBytes === SLAB_BYTES) {
        this.slab = takeSlab();
        this.slabBytes = 0;
      } else this.held.pop();
      const { slab } = this;
      const copied = data.copy(slab, this.slabBytes, at);
      at += copied;
      this.slabBytes += copied;
      this.held.push(slab.subarray(0, this.slabBytes));
    }
  }

  private deliver(): void {
    if (this.readable === undefined || !this.wantsMore) return;
    while (this.wantsMore) {
      const data = this.held.shift();
      if (data === undefined) break;
      if (this.held.length === 0) this.slab = undefined;
      this.heldBytes -= data.length;
      this.wantsMore = this.readable.push(data);
    }
    if (this.held.length > 0) return;
    if (!this.complete) return this.flow.resume();
    this.wantsMore = false;
    // Consumed only when the reader reaches the end, not when the last byte was passed to its buffer. A reader that finds the buffer
    // empty and ended has no reason to read on.
    if (this.readable.readableLength === 0) this.consumed = true;
    else {
      this.readable.once('end', () => {
        this.consumed = true;
      });
    }
    this.readable.push(null);
  }

  private drop(): void {
    for (const data of this.held) giveSlab(data);
    this.held = [];
    this.slab = undefined;
    this.heldBytes = 0;
  }
}
