import type { Socket } from 'node:net';
import { giveSlab, SLAB_BYTES, takeSlab } from '@fnfleet/core';
import { FLAG, FRAME, FRAME_HEADER_BYTES } from './wire.js';

const FIRST_SLAB_BYTES = 1024;
/** A write of this size does not wait for the end of the turn. */
const FLUSH_BYTES = 48 * 1024;

/**
 * Frames that are queued for sending, in order. They are written one after another into a slab of memory, which goes to the socket
 * in one write and is reused as soon as the socket has accepted it. There is at most one write at a time, so what a slow peer does
 * not read stays here, where it is counted.
 */
export class Outbox {
  /** Small at first: an idle connection costs little. */
  private slab: Buffer = Buffer.allocUnsafeSlow(FIRST_SLAB_BYTES);
  /** `[start, end)` of the slab was not passed to the socket yet. */
  private start = 0;
  private end = 0;
  /** Earlier slabs that were not passed to it either. */
  private full: Buffer[] = [];
  /** Slabs that the socket holds; they are not written to any more. */
  private lent: Buffer[] = [];
  private fullBytes = 0;
  /** Passed to the socket, which has not accepted it all. */
  private inFlight = 0;
  private closed = false;
  /** The stream whose DATA frame is the last one here (0: another frame is), where it begins, and its length. */
  private openStream = 0;
  private openAt = 0;
  private openLength = 0;
  private sent: (() => void)[] = [];
  private onceTaken: (() => void)[] = [];

  /**
   * @param onTaken the socket has accepted everything
   * @param onFailed a write has failed; the socket closes next
   */
  constructor(
    private readonly socket: Socket,
    private readonly onTaken: () => void,
    private readonly onFailed: () => void,
  ) {}

  /** Bytes that the socket has not accepted. */
  get bytes(): number {
    return this.inFlight + this.fullBytes + this.end - this.start;
  }

  get isWriting(): boolean {
    return this.inFlight > 0;
  }

  get hasUnsent(): boolean {
    return this.end > this.start; // full slabs are always followed by a newer one
  }

  /** Whether enough was collected to be worth a write. */
  get isDue(): boolean {
    return this.inFlight === 0 && this.end - this.start + this.fullBytes >= FLUSH_BYTES;
  }

  /** Reserves contiguous bytes; they must be written before anything else happens. */
  reserve(bytes: number): number {
    if (this.end + bytes > this.slab.length) this.nextSlab(bytes);
    const at = this.end;
    this.end += bytes;
    return at;
  }

  /** Where reserved bytes are written. */
  get memory(): Buffer {
    return this.slab;
  }

  /** Writes the head of a frame and reserves its payload. @returns where that begins in `memory` */
  frame(type: number, flags: number, streamId: number, payloadBytes: number): number {
    const at = this.reserve(FRAME_HEADER_BYTES + payloadBytes);
    const { slab } = this;
    this.openStream = 0;
    slab[at] = payloadBytes >>> 16;
    slab[at + 1] = payloadBytes >>> 8;
    slab[at + 2] = payloadBytes;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab[at + 5] = streamId >>> 24;
    slab[at + 6] = streamId >>> 16;
    slab[at + 7] = streamId >>> 8;
    slab[at + 8] = streamId;
    return at + FRAME_HEADER_BYTES;
  }

  /**
   * Reserves bytes of a DATA frame: consecutive bytes of one stream share a frame up to its limit.
   * @returns where they begin in `memory`
   */
  data(streamId: number, bytes: number, maxFrameBytes: number, last: boolean): number {
    const { slab } = this;
    const flags = last ? FLAG.END_STREAM : FLAG.NONE;
    const length = this.openLength + bytes;
    if (this.openStream !== streamId || length > maxFrameBytes || this.end + bytes > slab.length) {
      const start = this.frame(FRAME.DATA, flags, streamId, bytes);
      this.openStream = last ? 0 : streamId;
      this.openAt = start - FRAME_HEADER_BYTES;
      this.openLength = bytes;
      return start;
    }
    const at = this.openAt;
    slab[at] = length >>> 16;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    slab[at + 4] = flags;
    this.openLength = length;
    if (last) this.openStream = 0;
    const start = this.end;
    this.end += bytes;
    return start;
  }

  /** Ends a stream with its DATA frame that is still here. Returns false if there is none. */
  endData(streamId: number): boolean {
    if (this.openStream !== streamId) return false;
    this.slab[this.openAt + 4] = FLAG.END_STREAM;
    this.openStream = 0;
    return true;
  }

  /** Calls back when the socket has accepted everything that is here now; never, if it is closed before. */
  whenTaken(callback: () => void): void {
    this.sent.push(callback);
  }

  flush(): void {
    if (this.closed || this.inFlight > 0 || !this.hasUnsent) return;
    const { socket, start, end } = this;
    const last = this.slab.subarray(start, end);
    this.inFlight = this.fullBytes + end - start;
    this.start = end;
    this.openStream = 0;
    this.onceTaken = this.sent;
    this.sent = [];
    if (this.full.length === 0) {
      socket.write(last, this.taken);
      return;
    }
    socket.cork();
    for (const slab of this.full) {
      socket.write(slab);
      this.lent.push(slab);
    }
    this.full = [];
    this.fullBytes = 0;
    socket.write(last, this.taken);
    socket.uncork();
  }

  /** Drops everything that was not sent. */
  close(): void {
    this.closed = true;
    this.start = this.end;
    this.full = [];
    this.fullBytes = 0;
    this.sent = [];
    this.onceTaken = [];
  }

  private readonly taken = (error?: Error | null): void => {
    if (this.closed) return;
    if (error) return this.onFailed();
    this.inFlight = 0;
    if (this.start === this.end) {
      this.start = 0;
      this.end = 0;
    }
    for (const part of this.lent) giveSlab(part);
    this.lent.length = 0;
    const callbacks = this.onceTaken;
    if (callbacks.length > 0) {
      this.onceTaken = [];
      for (const callback of callbacks) callback();
    }
    this.onTaken();
  };

  private nextSlab(bytes: number): void {
    if (this.end > this.start) {
      this.full.push(this.slab.subarray(this.start, this.end));
      this.fullBytes += this.end - this.start;
    } else if (this.inFlight > 0) this.lent.push(this.slab);
    this.slab = bytes <= SLAB_BYTES ? takeSlab() : Buffer.allocUnsafeSlow(bytes);
    this.start = 0;
    this.end = 0;
  }
}
