import type { BorrowedBytes } from '@fnfleet/core';
import type { ClientMessage, StartedMessage } from '../engage/messages.js';
import { readStartAckMode, STARTED_HEADER, type StartAckMode } from '../engage/start-ack.js';
import { type ClientStream, type ClientStreamHandler, GRPC_STATUS, type StreamEnd } from '../engage/stream.js';
import { decodeRunnerMessage, encodeClientMessage } from '../wire/codec.js';
import { decodeOrca, INSTANCE_ID_HEADER, LOAD_TRAILER } from '../wire/orca.js';
import { FramedData } from './framed-data.js';
import { Deframer, frameMessage, type MessageSink, OversizeError } from './grpc-frames.js';
import { type GrpcStatus, grpcStatusOf, statusOfHttp } from './grpc-status.js';
import type { HeaderList } from './header-list.js';
import type { Http2Stream, Payload, StreamListener, StreamLoss } from './http2-stream.js';
import type { Lingering, RunnerPeer } from './runner-peer.js';
import { H2_ERROR } from './wire.js';

/**
 * The balancer's end of one Engage stream.
 *
 * Messages sent before there is a connection are buffered; they are few, because `send` returns false at once. A stream that never
 * got a connection, or that the peer refused unprocessed (REFUSED_STREAM, a GOAWAY with a lower number), has certainly not arrived.
 */
export class EngageStream implements ClientStream, StreamListener, MessageSink, Lingering {
  private stream: Http2Stream | undefined;
  private peer: RunnerPeer | undefined;
  private early: (Buffer | Payload)[] | undefined = [];
  private earlyHalfClose = false;
  private paused = false;
  private handler: ClientStreamHandler | undefined;
  private readonly deframer: Deframer;
  private answered = false;
  private status: GrpcStatus | undefined;
  private instanceId = '';
  /** Undefined: the runner has not answered yet. */
  private startAckMode: StartAckMode | undefined;
  private released = false;
  private unread: (() => void) | undefined;

  /** @param onOver called once, when the stream is over */
  constructor(
    handler: ClientStreamHandler,
    maxMessageBytes: number,
    private readonly onOver: () => void,
  ) {
    this.handler = handler;
    this.deframer = new Deframer(maxMessageBytes);
  }

  attach(peer: RunnerPeer, head: Buffer): void {
    if (this.early === undefined) return; // cancelled while connecting
    if (!peer.takesStreams) return this.unreachable(new Error('the connection takes no more streams'));
    const { early } = this;
    this.early = undefined;
    this.peer = peer;
    const stream = peer.connection.request(head, this);
    this.stream = stream;
    this.deframer.budget = peer.connection.assembly;
    if (this.paused) stream.pause();
    for (const message of early) stream.sendData(message);
    if (this.earlyHalfClose) stream.end();
    else if (early.length > 0) queueMicrotask(() => this.handler?.onWritable());
  }

  unreachable(error: Error): void {
    this.early = undefined;
    // After the call that led here has returned, as the interface requires.
    process.nextTick(() =>
      this.finish({ code: GRPC_STATUS.UNAVAILABLE, details: `cannot reach the runner: ${error.message}` }, false),
    );
  }

  send(message: ClientMessage): boolean {
    const framed =
      message.kind === 'data' ? new FramedData(message, false) : frameMessage(encodeClientMessage(message));
    if (this.early) {
      this.early.push(framed);
      return false;
    }
    return this.stream?.sendData(framed) ?? false;
  }

  halfClose(): void {
    if (this.early) this.earlyHalfClose = true;
    else this.stream?.end();
  }

  pause(): void {
    this.paused = true;
    this.stream?.pause();
  }

  resume(): void {
    this.paused = false;
    this.stream?.resume();
  }

  cancel(): void {
    this.early = undefined;
    this.stream?.reset(H2_ERROR.CANCEL);
    this.deframer.drop();
    process.nextTick(() => this.finish(this.status ?? CANCELLED, this.stream !== undefined));
  }

  release(): void {
    this.released = true;
    this.deframer.drop();
    const { stream } = this;
    if (stream === undefined) return this.cancel();
    if (stream.isClosed) return;
    // The trailers follow the last message at once. A body that nobody waits for is cut off then.
    if (stream.remoteHasEnded) {
      stream.reset(H2_ERROR.NO_ERROR);
      // The end that came with the last message is not delivered any more.
      process.nextTick(() => this.finish(this.status ?? NO_TRAILERS, true));
      return;
    }
    stream.resume();
    this.peer?.linger(this);
  }

  /** The runner has not sent its trailers in time. */
  destroy(): void {
    this.stream?.reset(H2_ERROR.NO_ERROR);
    this.finish(this.status ?? NO_TRAILERS, true);
  }

  onHeaders(list: HeaderList): void {
    if (this.answered) {
      this.status = grpcStatusOf(list) ?? this.status;
      return this.tellLoad(list.only(LOAD_TRAILER));
    }
    const httpStatus = Number(list.get(':status'));
    if (httpStatus < 200) return; // the answer follows
    this.answered = true;
    this.peer?.noteAnswer();
    this.status = grpcStatusOf(list) ?? (httpStatus === 200 ? undefined : statusOfHttp(httpStatus));
    this.instanceId = list.only(INSTANCE_ID_HEADER) ?? '';
    this.startAckMode = readStartAckMode(list.only(STARTED_HEADER));
    if (this.startAckMode !== 'none' && this.peer) this.peer.startAckMode = this.startAckMode;
  }

  onData(bytes: BorrowedBytes): void {
    if (this.released) return;
    try {
      this.deframer.push(bytes, this);
    } catch (error) {
      const code = error instanceof OversizeError ? GRPC_STATUS.RESOURCE_EXHAUSTED : GRPC_STATUS.INTERNAL;
      this.stream?.reset(H2_ERROR.CANCEL);
      this.finish({ code, details: `unreadable message from the runner: ${(error as Error).message}` }, true);
    }
  }

  onMessageBytes(bytes: BorrowedBytes): void {
    if (this.released) return;
    const message = decodeRunnerMessage(bytes);
    if (message.kind === 'started' && this.startAckMode === 'confirmed') this.deliverConfirmed(message);
    else this.handler?.onMessage(message);
  }

  onWritable(): void {
    this.handler?.onWritable();
  }

  /** With the trailers read and the last message delivered, the outcome is complete; our half may still be open. */
  onEnd(): void {
    if (this.status) this.finish(this.status, true);
    else
      this.finish({ code: GRPC_STATUS.UNAVAILABLE, details: 'the stream ended without a status' }, true, 'allDataRead');
    if (this.released) this.stream?.reset(H2_ERROR.NO_ERROR);
  }

  onClose(loss: StreamLoss | undefined): void {
    if (loss === undefined) return; // onEnd has come
    if (!this.answered && loss.resetCode !== undefined) this.peer?.noteReset(loss.resetCode);
    this.startAckMode ??= this.peer?.startAckMode;
    const status = this.status ?? { code: GRPC_STATUS.UNAVAILABLE, details: loss.message };
    const lost = this.status !== undefined ? undefined : loss.allDataRead ? 'allDataRead' : 'unsure';
    this.finish(status, !loss.unprocessed, lost);
  }

  private tellLoad(trailer: string | undefined): void {
    const { onLoad } = this.handler ?? {};
    const load = onLoad && trailer !== undefined ? decodeOrca(trailer, this.instanceId) : undefined;
    if (load) onLoad?.call(this.handler, load);
  }

  /** A runner that waits for a receipt has not started before it got one, so `started` takes effect only then. */
  private deliverConfirmed(message: StartedMessage): void {
    this.unread?.();
    this.unread = this.peer?.onNextPing(() => this.handler?.onMessage(message));
  }

  private finish(status: GrpcStatus, mayHaveArrived: boolean, lost?: StreamEnd['lost']): void {
    const { handler } = this;
    if (handler === undefined) return;
    this.handler = undefined;
    this.unread?.();
    this.deframer.drop();
    this.peer?.ended(this);
    try {
      handler.onEnd({ ...status, mayHaveArrived, startAckMode: this.startAckMode ?? 'none', lost });
    } finally {
      this.onOver();
    }
  }
}

const NO_TRAILERS: GrpcStatus = { code: GRPC_STATUS.UNAVAILABLE, details: 'no trailers after the last message' };
const CANCELLED: GrpcStatus = { code: GRPC_STATUS.CANCELLED, details: 'cancelled' };
