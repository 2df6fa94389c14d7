import type { BorrowedBytes, Clock, Timer } from '@fnfleet/core';
import { GRPC_STATUS, StreamError } from '../engage/stream.js';
import { Deframer, frameMessage, type MessageSink } from './grpc-frames.js';
import { type GrpcStatus, grpcStatusOf, statusOfHttp } from './grpc-status.js';
import type { HeaderList } from './header-list.js';
import type { Http2Stream, StreamListener, StreamLoss } from './http2-stream.js';
import type { RunnerPeer } from './runner-peer.js';
import { H2_ERROR } from './wire.js';

interface UnaryOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly clock: Pick<Clock, 'after'>;
}

/** One gRPC request with one answer. @throws StreamError on any status but OK, on a timeout and on abort */
export function unaryCall(
  peer: RunnerPeer,
  head: Buffer,
  request: Buffer,
  maxMessageBytes: number,
  options: UnaryOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    new UnaryCall(peer, head, request, maxMessageBytes, options, resolve, reject);
  });
}

class UnaryCall implements StreamListener, MessageSink {
  private readonly stream: Http2Stream;
  private readonly deframer: Deframer;
  private readonly timer: Timer;
  private answered = false;
  private answer: Buffer | undefined;
  private status: GrpcStatus | undefined;

  constructor(
    private readonly peer: RunnerPeer,
    head: Buffer,
    request: Buffer,
    maxMessageBytes: number,
    private readonly options: UnaryOptions,
    private readonly resolve: (answer: Buffer) => void,
    private readonly reject: (error: StreamError) => void,
  ) {
    const { connection } = peer;
    this.deframer = new Deframer(maxMessageBytes, connection.assembly);
    this.stream = connection.request(head, this);
    this.stream.sendData(frameMessage(request), true);
    const { timeoutMs, clock, signal } = options;
    this.timer = clock.after(timeoutMs, () =>
      this.abandon(new StreamError(GRPC_STATUS.DEADLINE_EXCEEDED, `no answer within ${timeoutMs} ms`)),
    );
    signal?.addEventListener('abort', this.onAbort);
    if (signal?.aborted) this.onAbort();
  }

  onHeaders(list: HeaderList): void {
    if (this.answered) {
      this.status = grpcStatusOf(list) ?? this.status;
      return;
    }
    const httpStatus = Number(list.get(':status'));
    if (httpStatus < 200) return; // the answer follows
    this.answered = true;
    this.peer.noteAnswer();
    this.status = grpcStatusOf(list) ?? (httpStatus === 200 ? undefined : statusOfHttp(httpStatus));
  }

  onData(bytes: BorrowedBytes): void {
    try {
      this.deframer.push(bytes, this);
    } catch (error) {
      this.abandon(new StreamError(GRPC_STATUS.INTERNAL, (error as Error).message));
    }
  }

  onMessageBytes(message: BorrowedBytes): void {
    this.answer ??= Buffer.from(message);
  }

  onWritable(): void {}

  onEnd(): void {
    if (this.status?.code === GRPC_STATUS.OK && this.answer) return this.settle(this.answer);
    const { code, details } = this.status ?? {
      code: GRPC_STATUS.UNAVAILABLE,
      details: 'the stream ended without a status',
    };
    this.settle(new StreamError(code, details));
  }

  onClose(loss: StreamLoss | undefined): void {
    if (loss === undefined) return;
    if (!this.answered && loss.resetCode !== undefined) this.peer.noteReset(loss.resetCode);
    const { code, details } = this.status ?? { code: GRPC_STATUS.UNAVAILABLE, details: loss.message };
    this.settle(new StreamError(code, details, loss.resetCode === undefined));
  }

  private readonly onAbort = (): void => this.abandon(new StreamError(GRPC_STATUS.CANCELLED, 'cancelled'));

  private abandon(error: StreamError): void {
    this.stream.reset(H2_ERROR.CANCEL);
    this.settle(error);
  }

  private settle(result: Buffer | StreamError): void {
    this.timer.cancel();
    this.deframer.drop();
    this.options.signal?.removeEventListener('abort', this.onAbort);
    if (result instanceof StreamError) this.reject(result);
    else this.resolve(result);
  }
}
