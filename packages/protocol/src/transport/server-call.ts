import type { BorrowedBytes } from '@fnfleet/core';
import type { Connection } from './connection.js';
import type { Http2Stream } from './http2-stream.js';
import { PLAIN_HEAD } from './response-heads.js';
import { ServerStream } from './server-stream.js';

/** Receives the events of an RPC other than Engage. */
export interface ServerCallHandler {
  /** The handler may keep the message. */
  onMessage(message: Buffer): void;
  /** The client will send nothing more. */
  onHalfClose(): void;
  /** Nobody waits for an answer any more. */
  onCancelled(): void;
}

/** One RPC other than Engage, with messages as bytes. */
export class ServerCall extends ServerStream {
  private handler: ServerCallHandler | undefined;

  constructor(connection: Connection, stream: Http2Stream, maxMessageBytes: number) {
    super(connection, stream, PLAIN_HEAD, maxMessageBytes);
  }

  /** @param serve may end the call at once, which also calls `onOver` */
  attach(serve: (call: ServerCall) => ServerCallHandler, onOver: () => void): void {
    this.start(onOver);
    this.handler = serve(this);
  }

  /** Tells the client that it is served, before the first message. */
  open(): void {
    this.sendHead();
  }

  send(message: Buffer): boolean {
    return !this.over && this.sendMessage(message);
  }

  /** Code 0 is OK. */
  end(code: number, details: string): void {
    if (!this.over) this.finish(code, details);
  }

  onMessageBytes(message: BorrowedBytes): void {
    if (!this.over) this.handler?.onMessage(Buffer.from(message));
  }

  onWritable(): void {} // streaming methods wait for acknowledgements instead

  protected onHalfClosed(): void {
    this.handler?.onHalfClose();
  }

  protected onLost(): void {
    this.handler?.onCancelled();
  }
}
