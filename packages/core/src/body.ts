import type { Readable } from 'node:stream';
import type { HeaderList } from './headers.js';

/** Where the answer of a call goes: at the runner into frames, at the balancer to the HTTP client. */
export interface ResponseWriter {
  /** Status and headers. Once, before any byte of the body. May throw to reject the answer. */
  writeHead(status: number, headers: HeaderList): void;
  /** Takes bytes of the body. False: the other side is slow, write no more until `onDrain` has called back. */
  write(chunk: Buffer): boolean;
  /** Calls back once, when there is room again after `write` returned false. */
  onDrain(callback: () => void): void;
}

/** The bytes of a request on their way to the function. Has one consumer, who uses exactly one of the two ways. */
export interface RequestBody {
  /** The whole body, if all of it has arrived; then it is consumed. Undefined: use `stream`. */
  takeComplete(): Buffer | undefined;
  /** The bytes as they come, the same stream each time. Destroying it says that nobody will read on. */
  stream(): Readable;
  /** The consumer has taken the last byte and seen the end. */
  readonly consumed: boolean;
  /** Nobody will read (on). Idempotent. */
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
