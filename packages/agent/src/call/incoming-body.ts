import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { CancelledError, type RequestBody } from '@fnfleet/core';

/** The body of an HTTP request on its way to a function. Giving up on it leaves the connection alone. */
export class IncomingBody implements RequestBody {
  consumed = false;
  private relay: PassThrough | undefined;

  constructor(private readonly request: IncomingMessage) {}

  takeComplete(): Buffer | undefined {
    if (!this.request.complete) return undefined;
    this.consumed = true;
    return this.request.read() ?? Buffer.alloc(0);
  }

  stream(): Readable {
    if (this.relay) return this.relay;
    const { request } = this;
    // Destroying the request itself would take away the connection that the answer has to go over.
    const relay = new PassThrough();
    const onClose = () => {
      if (!request.complete) relay.destroy(new CancelledError());
    };
    request.once('close', onClose).pipe(relay);
    relay.once('end', () => {
      this.consumed = true;
    });
    // Whoever finds it empty and ended has no reason to read on.
    relay.once('finish', () => {
      if (relay.readableLength === 0) this.consumed = true;
    });
    relay.once('close', () => {
      request.off('close', onClose).unpipe(relay);
    });
    this.relay = relay;
    return relay;
  }

  discard(): void {
    this.relay?.destroy();
  }
}
