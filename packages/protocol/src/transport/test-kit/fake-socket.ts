import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** A socket controlled by a test: records what was written, and whether it accepts more. */
export class FakeSocket extends EventEmitter {
  readonly writes: Buffer[] = [];
  /** Accepts what is written, in the next turn. */
  open = true;
  destroyed = false;
  /** Only after everything that was written has left. */
  soon = false;
  /** Receives everything that is written. */
  failure: Error | undefined;
  private corked: Buffer[] | undefined;
  private waiting: (() => void)[] = [];

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  get written(): Buffer {
    return Buffer.concat(this.writes);
  }

  write(bytes: Buffer, taken?: (error?: Error) => void): boolean {
    if (this.corked) this.corked.push(Buffer.from(bytes));
    else this.writes.push(Buffer.from(bytes));
    if (taken === undefined) return true;
    if (this.open) process.nextTick(taken, this.failure);
    else this.waiting.push(taken);
    return true;
  }

  cork(): void {
    this.corked = [];
  }

  uncork(): void {
    this.writes.push(Buffer.concat(this.corked ?? []));
    this.corked = undefined;
  }

  /** Accepts everything from now on. */
  drain(): void {
    this.open = true;
    for (const taken of this.waiting.splice(0)) taken();
  }

  destroy(): void {
    this.destroyed = true;
  }

  destroySoon(): void {
    this.destroyed = true;
    this.soon = true;
  }
}
