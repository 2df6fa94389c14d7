import { Readable } from 'node:stream';
import type { BorrowedBytes, RequestBody } from '@fnfleet/core';

/** Buffered frames beyond this stop the stream; a small body has arrived completely by then. */
const HIGH_WATER_BYTES = 64 * 1024;

/**
 * A request body fed by data frames. While the call waits for a slot, frames are buffered up to HIGH_WATER_BYTES; after that
 * flow control holds them back at the balancer. The consumer takes the body whole if it is complete, otherwise as a stream.
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
    if (data.length > 0) {
      this.held.push(Buffer.from(data));
      this.heldBytes += data.length;
    }
    this.complete = eof;
    this.deliver();
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

  private deliver(): void {
    if (this.readable === undefined || !this.wantsMore) return;
    while (this.wantsMore) {
      const data = this.held.shift();
      if (data === undefined) break;
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
    this.held = [];
    this.heldBytes = 0;
  }
}
