import { MAX_FRAME_BYTES } from './messages.js';
import type { BodyReader } from './outbound-call.js';
import type { ClientStream } from './stream.js';

const EMPTY = Buffer.alloc(0);

/**
 * Splits a request body into frames: none larger than MAX_FRAME_BYTES, and exactly one, the last, with `eof`. Reads no further
 * than the stream accepts. After `eof` the stream is half-closed.
 */
export class BodyPump {
  private running = false;
  private closed = false;
  /** The rest of a piece that did not fit the stream. */
  private rest: Buffer = EMPTY;
  private restIsLast = false;
  private readonly wake = () => this.run();

  constructor(
    private readonly reader: BodyReader,
    private readonly stream: ClientStream,
    private readonly onError: (error: Error) => void,
  ) {
    reader.onReadable = this.wake;
  }

  /** Sends what can be sent now. Called again whenever either side is ready for more. */
  run(): void {
    if (this.running || this.closed) return; // a callback from within our own send
    this.running = true;
    try {
      while (!this.closed && this.sendRest() && this.nextPiece());
    } catch (error) {
      this.close();
      this.onError(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.running = false;
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.rest = EMPTY;
    this.reader.onReadable = undefined;
    this.reader.close();
  }

  private nextPiece(): boolean {
    const piece = this.reader.read();
    if (piece === undefined) return false;
    this.rest = piece.data;
    this.restIsLast = piece.last;
    if (piece.last && piece.data.length === 0) this.sendEnd(EMPTY);
    return true;
  }

  /** @returns whether the stream accepts more */
  private sendRest(): boolean {
    while (this.rest.length > 0) {
      const frame = this.rest.subarray(0, MAX_FRAME_BYTES);
      this.rest = this.rest.subarray(frame.length);
      if (this.rest.length === 0 && this.restIsLast) {
        this.sendEnd(frame);
        return false;
      }
      if (!this.stream.send({ kind: 'data', data: frame, eof: false })) return false;
    }
    return true;
  }

  private sendEnd(data: Buffer): void {
    this.stream.send({ kind: 'data', data, eof: true });
    this.stream.halfClose();
    this.close();
  }
}
