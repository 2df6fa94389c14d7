import type { ServerResponse } from 'node:http';
import { type BorrowedBytes, giveSlab, SLAB_BYTES, takeSlab } from '@fnfleet/core';

/** A client that has not taken this many bytes is slow. */
const MAX_UNTAKEN_BYTES = 2 * SLAB_BYTES;
/** Less than this does not occupy a slab while a client takes it. */
const SMALL_BYTES = SLAB_BYTES / 4;

/**
 * Sends the body of a response. Copies what it gets into slabs: what comes in one turn of the event loop leaves in one write, and a
 * slab is free again when the client's socket has accepted it.
 */
export class BodyOutlet {
  private slab: Buffer | undefined;
  private collected = 0;
  private untaken = 0;
  private scheduled = false;
  private onceRoom: (() => void) | undefined;

  constructor(private readonly res: ServerResponse) {}

  /** Returns false if the client is slow; then send no more until `onRoom` has called back. */
  send(bytes: BorrowedBytes): boolean {
    for (let at = 0; at < bytes.length; ) {
      this.slab ??= takeSlab();
      const copied = bytes.copy(this.slab, this.collected, at);
      at += copied;
      this.collected += copied;
      if (this.collected === SLAB_BYTES) this.flush();
    }
    if (this.collected > 0 && !this.scheduled) {
      this.scheduled = true;
      process.nextTick(this.endTurn);
    }
    return this.hasRoom;
  }

  /** Calls back once; never, if the client disconnects. */
  onRoom(callback: () => void): void {
    this.onceRoom = callback;
    if (this.hasRoom) process.nextTick(this.tell);
  }

  flush(): void {
    const { res, slab, collected } = this;
    if (slab === undefined) return;
    this.slab = undefined;
    this.collected = 0;
    this.untaken += collected;
    const part = slab.subarray(0, collected);
    if (collected >= SMALL_BYTES) res.write(part, (error) => this.taken(error, collected, slab));
    else {
      res.write(Buffer.from(part), (error) => this.taken(error, collected));
      giveSlab(slab);
    }
  }

  /** Drops what was not passed to the response yet. */
  drop(): void {
    if (this.slab !== undefined) giveSlab(this.slab);
    this.slab = undefined;
    this.collected = 0;
  }

  private get hasRoom(): boolean {
    return this.untaken + this.collected < MAX_UNTAKEN_BYTES;
  }

  private readonly endTurn = (): void => {
    this.scheduled = false;
    if (this.res.destroyed) this.drop();
    else this.flush();
  };

  private taken(error: Error | null | undefined, bytes: number, slab?: Buffer): void {
    // After an error, the socket may still hold the memory.
    if (error) return;
    if (slab !== undefined) giveSlab(slab);
    this.untaken -= bytes;
    if (this.hasRoom) this.tell();
  }

  private readonly tell = (): void => {
    const { onceRoom } = this;
    this.onceRoom = undefined;
    onceRoom?.();
  };
}
