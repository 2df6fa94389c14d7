import http2 from 'node:http2';
import { decodeRunnerMessage, encodeClientMessage } from '../codec.js';
import type { ClientMessage, RunnerMessage } from '../messages.js';
import { decodeOrca, INCARNATION_HEADER, LOAD_TRAILER } from '../orca.js';
import { readStartPromise, STARTED_HEADER, type StartPromise } from '../start-marker.js';
import { type ClientStream, type ClientStreamHandler, GRPC_STATUS, type StreamEnd } from '../stream.js';
import { Deframer, FrameError, frameMessage } from './grpc-frames.js';
import { type GrpcStatus, grpcStatusOf, statusOfHttp } from './grpc-status.js';
import { wasHeardOut } from './last-word.js';
import { onNextPing } from './next-ping.js';

/** How long after its last message a runner may keep us waiting for its trailers, milliseconds. */
const TRAILERS_LIMIT_MS = 100;

/** What peers have promised on some stream: they do so on every one, if only they get that far. */
const promises = new WeakMap<http2.ClientHttp2Session, StartPromise>();

/** Whether a peer has shown by a promise that it is one of ours. */
export function hasPromised(session: http2.ClientHttp2Session): boolean {
  return promises.has(session);
}

/**
 * The balancer's end of one Engage stream on an HTTP/2 session.
 *
 * Messages sent before the session is there are held; they are few, because `send` says "no more" at once. A stream that
 * never got a session, or that the peer refused unprocessed (REFUSED_STREAM), has certainly not arrived.
 */
export class Http2ClientStream implements ClientStream {
  private stream: http2.ClientHttp2Stream | undefined;
  private early: Buffer[] | undefined = [];
  private earlyHalfClose = false;
  private paused = false;
  private handler: ClientStreamHandler | undefined;
  private readonly deframer: Deframer;
  private status: GrpcStatus | undefined;
  private failure: GrpcStatus | undefined;
  private incarnation = '';
  /** Undefined: the runner has not answered yet. */
  private startPromise: StartPromise | undefined;
  /** The stream was ended from here. */
  private cut = false;
  private lastError: NodeJS.ErrnoException | undefined;
  private released = false;

  constructor(handler: ClientStreamHandler, maxMessageBytes: number) {
    this.handler = handler;
    this.deframer = new Deframer(maxMessageBytes);
  }

  attach(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders): void {
    if (this.handler === undefined) return; // cancelled while connecting
    let stream: http2.ClientHttp2Stream;
    try {
      stream = session.request(headers);
    } catch (error) {
      return this.unreachable(error as Error);
    }
    this.stream = stream;
    this.wire(stream, session);
    // What is sent in this turn of the event loop (the call and, mostly, its whole body) leaves in one write.
    stream.cork();
    process.nextTick(() => stream.uncork());
    const early = this.early ?? [];
    this.early = undefined;
    for (const message of early) stream.write(message);
    if (this.earlyHalfClose) stream.end();
    else if (early.length > 0) queueMicrotask(() => this.handler?.onWritable());
  }

  unreachable(error: Error): void {
    this.early = undefined;
    // Later than the call that led here, as the border promises.
    process.nextTick(() =>
      this.finish({ code: GRPC_STATUS.UNAVAILABLE, details: `cannot reach the runner: ${error.message}` }, false),
    );
  }

  send(message: ClientMessage): boolean {
    const framed = frameMessage(encodeClientMessage(message));
    if (this.early) {
      this.early.push(framed);
      return false;
    }
    if (this.stream === undefined || this.stream.writableEnded || this.stream.destroyed) return false;
    return this.stream.write(framed);
  }

  halfClose(): void {
    if (this.early) this.earlyHalfClose = true;
    else if (this.stream && !this.stream.destroyed) this.stream.end();
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
    this.cut = true;
    if (this.stream) this.stream.close(http2.constants.NGHTTP2_CANCEL);
    else process.nextTick(() => this.finish({ code: GRPC_STATUS.CANCELLED, details: 'cancelled' }, false));
  }

  release(): void {
    this.released = true;
    const { stream } = this;
    if (stream === undefined || stream.destroyed) return;
    stream.resume();
    // A stream whose both halves are done closes by itself. A body that nobody waits for any more is cut off, once the
    // trailers, which follow the last message at once, are here too.
    if (stream.writableEnded) return;
    const cut = () => stream.close(http2.constants.NGHTTP2_NO_ERROR);
    if (stream.readableEnded) return cut();
    stream.once('end', cut);
    stream.setTimeout(TRAILERS_LIMIT_MS, cut);
  }

  private wire(stream: http2.ClientHttp2Stream, session: http2.ClientHttp2Session): void {
    stream.on('response', (headers) => {
      this.status = grpcStatusOf(headers) ?? this.status;
      this.incarnation = textOf(headers[INCARNATION_HEADER]) ?? '';
      this.startPromise = readStartPromise(headers[STARTED_HEADER]);
      if (this.startPromise !== 'none') promises.set(session, this.startPromise);
      const httpStatus = Number(headers[':status']);
      if (httpStatus !== 200) this.status ??= statusOfHttp(httpStatus);
    });
    stream.on('data', (chunk: Buffer) => this.receive(chunk, session));
    stream.on('trailers', (trailers) => {
      this.status = grpcStatusOf(trailers) ?? this.status;
      this.tellLoad(textOf(trailers[LOAD_TRAILER]));
    });
    stream.on('drain', () => this.handler?.onWritable());
    // With the trailers read and the last message delivered the outcome is complete; the close itself can wait.
    stream.on('end', () => this.status && this.finish(this.status, true));
    stream.on('error', (error) => {
      this.lastError = error;
      this.failure ??= { code: GRPC_STATUS.UNAVAILABLE, details: error.message };
    });
    stream.on('close', () => this.closed(stream, session));
    if (this.paused) stream.pause();
  }

  private tellLoad(trailer: string | undefined): void {
    const { onLoad } = this.handler ?? {};
    const load = onLoad && trailer !== undefined ? decodeOrca(trailer, this.incarnation) : undefined;
    if (load) onLoad?.(load);
  }

  private receive(chunk: Buffer, session: http2.ClientHttp2Session): void {
    if (this.released || this.handler === undefined) return;
    try {
      this.deframer.push(chunk, (bytes) => this.deliver(decodeRunnerMessage(bytes), session));
    } catch (error) {
      const code = error instanceof FrameError ? GRPC_STATUS.RESOURCE_EXHAUSTED : GRPC_STATUS.INTERNAL;
      this.failure = { code, details: `unreadable message from the runner: ${(error as Error).message}` };
      this.cut = true;
      this.stream?.close(http2.constants.NGHTTP2_CANCEL);
    }
  }

  /** A runner that waits for a receipt has not started before it got one: `started` counts from then on. */
  private deliver(message: RunnerMessage, session: http2.ClientHttp2Session): void {
    if (message.kind !== 'started' || this.startPromise !== 'confirmed') return this.handler?.onMessage(message);
    onNextPing(session, () => this.handler?.onMessage(message));
  }

  private closed(stream: http2.ClientHttp2Stream, session: http2.ClientHttp2Session): void {
    const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
    const status = this.failure ?? this.status;
    const reset = { code: GRPC_STATUS.UNAVAILABLE, details: `stream reset, code ${stream.rstCode}` };
    this.startPromise ??= promises.get(session);
    this.finish(status ?? reset, !refused, this.lossOf(stream, session));
  }

  private lossOf(stream: http2.ClientHttp2Stream, session: http2.ClientHttp2Session): StreamEnd['lost'] {
    if (this.cut || this.status !== undefined) return undefined;
    return wasHeardOut(session, stream, this.lastError) ? 'heardOut' : 'unsure';
  }

  private finish(status: GrpcStatus, mayHaveArrived: boolean, lost?: StreamEnd['lost']): void {
    const { handler } = this;
    this.handler = undefined;
    handler?.onEnd({ ...status, mayHaveArrived, startPromise: this.startPromise ?? 'none', lost });
  }
}

/** Of a header that has come once. */
function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
