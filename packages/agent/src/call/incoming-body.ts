import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { CancelledError, type RequestBody } from '@fnfleet/core';

/** The body of an HTTP request for a function. Discarding it does not close the connection of the request. */
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
    // Destroying the request itself would close the connection that the response needs.
    const relay = new PassThrough();
    const onClose = () => {
      if (!request.complete) relay.destroy(new CancelledError());
    };
    request.once('close', onClose).pipe(relay);
    relay.once('end', () => {
      this.consumed = true;
    });
    // A reader that finds it empty and ended does not read on.
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
