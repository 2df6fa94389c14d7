import type { Readable } from 'node:stream';
import type { HeaderList } from './headers.js';
import type { BorrowedBytes } from './reads.js';

/** Receives the response of a call: a runner encodes it into frames, a balancer sends it to the HTTP client. */
export interface ResponseWriter {
  /** Sets status and headers. Called once, before any byte of the body. May throw to reject the response. */
  writeHead(status: number, headers: HeaderList): void;
  /** Writes bytes of the body. Returns false if the other side is slow; then write no more until `onDrain` has called back. */
  write(chunk: BorrowedBytes): boolean;
  /** Calls back once when more can be written after `write` returned false. */
  onDrain(callback: () => void): void;
}

/** The request body on its way to the function. It has one consumer, who uses exactly one of the two ways. */
export interface RequestBody {
  /** Returns and consumes the whole body if all of it has arrived. Undefined: use `stream`. */
  takeComplete(): Buffer | undefined;
  /**
   * Returns the body as a stream, the same one each time. Destroying it means that nobody will read the rest. If a piece of it is in a
   * slab, it has that to itself, and the reader may give it back.
   */
  stream(): Readable;
  /** True when the consumer has read the last byte and the end. */
  readonly consumed: boolean;
  /** Discards what is left. Idempotent. */
  discard(): void;
}

/** A body that is complete from the start. */
export function completeBody(bytes: Buffer): RequestBody {
  return new CompleteBody(bytes);
}

class CompleteBody implements RequestBody {
  consumed = false;

  constructor(private readonly bytes: Buffer) {}

  takeComplete(): Buffer {
    this.consumed = true;
    return this.bytes;
  }

  stream(): Readable {
    throw new Error('a complete body is taken whole');
  }

  discard(): void {}
}
