import {
  BINARY_TRACE_HEADER,
  type BorrowedBytes,
  decodeBinaryTrace,
  later,
  type MonoMs,
  readTrace,
  TRACE_STATE_HEADER,
  type TraceContext,
} from '@fnfleet/core';
import type { RunnerMessage } from '../engage/messages.js';
import { ACCEPT_HEADER, wantsStart } from '../engage/start-ack.js';
import type { RunnerStream, RunnerStreamHandler } from '../engage/stream.js';
import { decodeClientMessage, encodeRunnerMessage } from '../wire/codec.js';
import type { Connection } from './connection.js';
import type { DeliveryReceipts } from './delivery-receipts.js';
import { FramedData } from './framed-data.js';
import type { OversizeError } from './grpc-frames.js';
import { decodeTimeout } from './grpc-status.js';
import type { HeaderList } from './header-list.js';
import type { Http2Stream } from './http2-stream.js';
import type { EngageHeads } from './response-heads.js';
import { ServerStream } from './server-stream.js';

export interface EngagementOptions {
  /** Limit for messages of a balancer, bytes. */
  readonly maxMessageBytes: number;
  readonly nowMs: MonoMs;
  readonly heads: EngageHeads;
  /** Set if the stream crosses a network: tells what the other end has read. */
  readonly receipts: DeliveryReceipts | undefined;
}

/**
 * The runner's end of one Engage stream. Head, body and outcome of a small answer are sent in the same turn of the event loop, so
 * they leave in one write and arrive in one read: such steps are most of the cost of a small call.
 */
export class EngagementStream extends ServerStream implements RunnerStream {
  readonly deadlineAt: MonoMs | undefined;
  readonly wantsStart: boolean;
  readonly trace: TraceContext;
  private handler: RunnerStreamHandler | undefined;
  private readonly receipts: DeliveryReceipts | undefined;

  constructor(
    connection: Connection,
    stream: Http2Stream,
    request: HeaderList,
    { heads, receipts, nowMs, maxMessageBytes }: EngagementOptions,
  ) {
    const wants = wantsStart(request.get(ACCEPT_HEADER));
    super(connection, stream, heads.of(wants ? (receipts ? 'confirmed' : 'announced') : 'none'), maxMessageBytes);
    this.wantsStart = wants;
    this.receipts = receipts;
    this.trace = traceOf(request);
    const timeoutMs = decodeTimeout(request.get('grpc-timeout'));
    this.deadlineAt = timeoutMs === undefined ? undefined : later(nowMs, timeoutMs);
  }

  attach(handler: RunnerStreamHandler, onOver: () => void): void {
    this.handler = handler;
    this.start(onOver);
    // An announcement must not wait for the first message of the answer.
    if (this.wantsStart) this.sendHead();
  }

  send(message: RunnerMessage): boolean {
    if (this.over) return false;
    if (message.kind === 'data') return this.sendFramed(new FramedData(message, true));
    return this.sendMessage(encodeRunnerMessage(message));
  }

  sendNow(message: RunnerMessage, onSent: () => void): void {
    if (this.over) return;
    const { connection, receipts } = this;
    // It leaves at the end of this turn, in one write with other calls.
    this.sendMessage(encodeRunnerMessage(message), () => {
      if (receipts) receipts.request(onSent);
      else connection.whenTaken(onSent);
    });
  }

  end(code: number, details: string, load?: string): void {
    if (!this.over) this.finish(code, details, load);
  }

  onMessageBytes(bytes: BorrowedBytes): void {
    if (!this.over) this.handler?.onMessage(decodeClientMessage(bytes));
  }

  onWritable(): void {
    this.handler?.onWritable();
  }

  protected onHalfClosed(): void {
    this.handler?.onHalfClose();
  }

  protected onLost(): void {
    this.handler?.onCancelled();
  }

  protected override onOversize(error: OversizeError): void {
    this.handler?.onOversize(error.bytes, error.maxBytes);
  }
}

/** As sent by Fn's balancers and ours, or else by instrumented gRPC clients. */
function traceOf(request: HeaderList): TraceContext {
  const binary = request.only(BINARY_TRACE_HEADER);
  if (binary !== undefined) return decodeBinaryTrace(binary, request.only(TRACE_STATE_HEADER));
  return readTrace(request.asObject);
}
