import { Readable } from 'node:stream';
import type { RequestBody } from '@fnfleet/core';
import type { BodyReader } from '@fnfleet/protocol';

/**
 * The body of a client's request in the form that an agent takes. Bytes are pulled only on demand of the function, so a
 * slow function applies backpressure to the client.
 */
export class PulledBody implements RequestBody {
  consumed = false;
  private readonly held: Buffer[] = [];
  private arrived = false;
  private readable: Readable | undefined;
  private wanted = false;

  constructor(private readonly reader: BodyReader) {}

  takeComplete(): Buffer | undefined {
    // The buffer of the connection bounds this loop: nothing arrives while it runs.
    for (let data = this.pull(); data !== undefined; data = this.pull()) this.held.push(data);
    if (!this.arrived) return undefined;
    this.consumed = true;
    this.reader.close();
    const [only] = this.held;
    return this.held.length === 1 && only !== undefined ? only : Buffer.concat(this.held);
  }

  stream(): Readable {
    if (this.readable) return this.readable;
    const readable = new Readable({
      read: () => {
        this.wanted = true;
        this.deliver(readable);
      },
      destroy: (error, callback) => {
        this.reader.close();
        callback(error);
      },
    });
    readable.once('end', () => {
      this.consumed = true;
    });
    const deliver = () => this.deliver(readable);
    this.reader.onReadable = deliver;
    this.readable = readable;
    return readable;
  }

  discard(): void {
    if (this.readable === undefined) this.reader.close();
    else this.readable.destroy();
  }

  private deliver(readable: Readable): void {
    try {
      while (this.wanted) {
        const data = this.held.shift() ?? this.pull();
        if (data !== undefined) this.wanted = readable.push(data);
        else if (this.arrived) this.end(readable);
        else return;
      }
    } catch (error) {
      readable.destroy(error as Error);
    }
  }

  private end(readable: Readable): void {
    this.wanted = readable.push(null);
    // A reader that finds the body empty and ended does not read on, and so would never consume its end.
    if (readable.readableLength === 0) readable.resume();
  }

  /**
   * @returns undefined if nothing more has arrived, or the body has ended. Throws the error of the client connection
   */
  private pull(): Buffer | undefined {
    if (this.arrived) return undefined;
    const piece = this.reader.read();
    if (piece === undefined) return undefined;
    this.arrived = piece.last;
    // An empty chunk only marks the end.
    return piece.data.length > 0 ? piece.data : undefined;
  }
}
