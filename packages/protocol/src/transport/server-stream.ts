import type { BorrowedBytes } from '@fnfleet/core';
import { GRPC_STATUS } from '../engage/stream.js';
import type { Connection } from './connection.js';
import { Deframer, FrameError, frameMessage, type MessageSink, OversizeError } from './grpc-frames.js';
import type { Http2Stream, Payload, StreamListener, StreamLoss } from './http2-stream.js';
import { trailers } from './response-heads.js';

/** The server's end of one RPC: messages as bytes, a head before the first, a status at the end. */
export abstract class ServerStream implements StreamListener, MessageSink {
  private readonly deframer: Deframer;
  private onOver: (() => void) | undefined;
  private headSent = false;
  /** Events are not delivered any more. */
  protected over = false;

  /**
   * @param head of the answer, in HPACK
   * @param maxMessageBytes limit for messages
   */
  protected constructor(
    protected readonly connection: Connection,
    private readonly stream: Http2Stream,
    private readonly head: Buffer,
    maxMessageBytes: number,
  ) {
    this.deframer = new Deframer(maxMessageBytes, connection.assembly);
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  abstract onMessageBytes(message: BorrowedBytes): void;
  abstract onWritable(): void;
  protected abstract onHalfClosed(): void;
  /** The client has reset the stream, or it is lost. */
  protected abstract onLost(): void;

  /** Starts delivery. `onOver` is called once, when the stream is gone for any reason. */
  protected start(onOver: () => void): void {
    this.onOver = onOver;
    this.stream.listener = this;
  }

  protected sendHead(): void {
    if (this.headSent) return;
    this.headSent = true;
    this.stream.sendHeaders(this.head, false);
  }

  /** @returns false: the client is slow, send no more until `onWritable` */
  protected sendMessage(message: Buffer, onSent?: () => void): boolean {
    return this.sendFramed(frameMessage(message), onSent);
  }

  protected sendFramed(framed: Buffer | Payload, onSent?: () => void): boolean {
    this.sendHead();
    return this.stream.sendData(framed, false, onSent);
  }

  protected finish(code: number, details: string, load?: string): void {
    this.over = true;
    this.deframer.drop();
    if (this.stream.isClosed || this.stream.hasEnded) return;
    this.sendHead();
    this.stream.sendHeaders(trailers(code, details, load), true);
  }

  onHeaders(): void {} // trailers of a request have no meaning

  onData(bytes: BorrowedBytes): void {
    if (this.over) return;
    try {
      this.deframer.push(bytes, this);
    } catch (error) {
      if (this.over) throw error;
      if (error instanceof OversizeError) return this.onOversize(error);
      this.unreadable(error as Error);
    }
  }

  /** A message is too large; it is not read, and neither is anything after it. */
  protected onOversize(error: OversizeError): void {
    this.unreadable(error);
  }

  private unreadable(error: Error): void {
    const code = error instanceof FrameError ? GRPC_STATUS.RESOURCE_EXHAUSTED : GRPC_STATUS.INTERNAL;
    this.onLost();
    this.finish(code, error.message);
  }

  onEnd(): void {
    if (!this.over) this.onHalfClosed();
  }

  onClose(loss: StreamLoss | undefined): void {
    const { onOver } = this;
    this.onOver = undefined;
    this.deframer.drop();
    const lost = loss !== undefined && !this.over;
    this.over = true;
    try {
      if (lost) this.onLost();
    } finally {
      onOver?.();
    }
  }
}
