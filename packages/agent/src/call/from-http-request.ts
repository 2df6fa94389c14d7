import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import {
  type App,
  CallTemplate,
  CancelledError,
  type Fn,
  headersFromRaw,
  type RequestBody,
  requestUrl,
} from '@fnfleet/core';
import type { CallOption } from './call-options.js';

/** Builds a new call of a function from an HTTP request and its body. For nodes that execute their own requests. */
export function fromHttpRequest(app: App, fn: Fn, request: IncomingMessage): CallOption {
  return (draft) => {
    draft.model = new CallTemplate(app, fn).call({
      id: draft.newId(),
      type: 'sync',
      method: request.method ?? '',
      url: requestUrl(request),
      headers: headersFromRaw(request.rawHeaders),
      createdAt: draft.createdAt,
    });
    draft.body = new IncomingBody(request);
  };
}

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
