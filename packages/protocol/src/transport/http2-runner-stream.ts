import http2 from 'node:http2';
import {
  BINARY_TRACE_HEADER,
  decodeBinaryTrace,
  later,
  type MonoMs,
  readTrace,
  TRACE_STATE_HEADER,
  type TraceContext,
} from '@fnfleet/core';
import { decodeClientMessage, encodeRunnerMessage } from '../codec.js';
import type { RunnerMessage } from '../messages.js';
import { INCARNATION_HEADER, LOAD_TRAILER } from '../orca.js';
import { ACCEPT_HEADER, STARTED_HEADER, startPromiseWord, wantsStart } from '../start-marker.js';
import { GRPC_STATUS, type RunnerStream, type RunnerStreamHandler } from '../stream.js';
import type { DeliveryReceipts } from './delivery-receipts.js';
import { Deframer, FrameError, frameMessage, OversizeError } from './grpc-frames.js';
import { decodeTimeout, encodeMessage, type GrpcStatus } from './grpc-status.js';

/** What is sent is flushed at the end of the event loop's turn, or at once from this many bytes on. */
const FLUSH_BYTES = 16 * 1024;

export interface RunnerStreamOptions {
  /** Largest message taken from a balancer, bytes. */
  readonly maxMessageBytes: number;
  readonly nowMs: MonoMs;
  /** Names the runner's process to the balancer. */
  readonly incarnation: string;
  /** Where the stream crosses a network: tells what has been read at its other end. Undefined: it does not. */
  readonly receipts: DeliveryReceipts | undefined;
}

/**
 * The runner's end of one Engage stream on node:http2. Head, body and outcome of a small answer are sent in the same turn
 * of the event loop and so leave in one write and arrive in one read: most of what a small call costs is such steps.
 */
export class Http2RunnerStream implements RunnerStream {
  readonly deadlineAt: MonoMs | undefined;
  readonly wantsStart: boolean;
  readonly trace: TraceContext;
  private readonly deframer: Deframer;
  private readonly pending: Buffer[] = [];
  private pendingBytes = 0;
  private scheduled: NodeJS.Immediate | undefined;
  private responded = false;
  /** The handler has ended the stream, or lost it. */
  private over = false;
  private status: EndStatus | undefined;
  private readonly responseHeaders: http2.OutgoingHttpHeaders;
  private readonly receipts: DeliveryReceipts | undefined;

  constructor(
    private readonly stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
    options: RunnerStreamOptions,
  ) {
    this.deframer = new Deframer(options.maxMessageBytes);
    const timeoutMs = decodeTimeout(headers['grpc-timeout']);
    this.responseHeaders = { ...RESPONSE_HEADERS, [INCARNATION_HEADER]: options.incarnation };
    this.trace = traceOf(headers);
    this.wantsStart = wantsStart(headers[ACCEPT_HEADER]);
    this.receipts = options.receipts;
    if (this.wantsStart)
      this.responseHeaders[STARTED_HEADER] = startPromiseWord(this.receipts ? 'confirmed' : 'announced');
    this.deadlineAt = timeoutMs === undefined ? undefined : later(options.nowMs, timeoutMs);
  }

  /** Starts delivery. `onOver` is called once, when the stream is gone for whatever reason. */
  attach(handler: RunnerStreamHandler, onOver: () => void): void {
    const { stream } = this;
    // An announcement must not wait for what comes first in the answer.
    if (this.wantsStart) this.scheduleFlush();
    stream.on('data', (chunk: Buffer) => this.receive(chunk, handler));
    stream.on('end', () => {
      if (!this.over) handler.onHalfClose();
    });
    stream.on('drain', () => handler.onWritable());
    stream.on('wantTrailers', () => stream.sendTrailers(statusHeaders(this.status)));
    stream.on('error', () => undefined); // `close` follows
    stream.on('close', () => {
      clearImmediate(this.scheduled);
      const lost = !this.over;
      this.over = true;
      if (lost) handler.onCancelled();
      onOver();
    });
  }

  send(message: RunnerMessage): boolean {
    if (this.over) return false;
    this.queue(message);
    if (this.pendingBytes < FLUSH_BYTES) {
      this.scheduleFlush();
      return !this.stream.writableNeedDrain;
    }
    return this.flush();
  }

  sendNow(message: RunnerMessage, onSent: () => void): void {
    if (this.over) return;
    const { receipts } = this;
    this.queue(message);
    this.flush(receipts ? () => receipts.request(onSent) : onSent);
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  end(code: number, details: string, load?: string): void {
    if (this.over) return;
    this.over = true;
    this.status = { code, details, load };
    this.scheduleFlush();
  }

  private queue(message: RunnerMessage): void {
    const framed = frameMessage(encodeRunnerMessage(message));
    this.pending.push(framed);
    this.pendingBytes += framed.length;
  }

  private scheduleFlush(): void {
    this.scheduled ??= setImmediate(() => this.flush());
  }

  /** @param onSent called when what is sent now, and does not end the stream, has been given to the network */
  private flush(onSent?: () => void): boolean {
    clearImmediate(this.scheduled);
    this.scheduled = undefined;
    const { stream, pending } = this;
    if (stream.destroyed || stream.closed) return false;
    const [only] = pending;
    const bytes = pending.length === 1 && only ? only : Buffer.concat(pending);
    this.pending.length = 0;
    this.pendingBytes = 0;
    if (!this.responded) {
      this.responded = true;
      if (this.status && bytes.length === 0) {
        stream.respond({ ...this.responseHeaders, ...statusHeaders(this.status) }, { endStream: true });
        return false;
      }
      stream.respond(this.responseHeaders, { waitForTrailers: true });
    }
    if (this.status === undefined) {
      if (bytes.length === 0) return true;
      return onSent ? stream.write(bytes, (error) => error ?? onSent()) : stream.write(bytes);
    }
    if (bytes.length > 0) stream.end(bytes);
    else stream.end();
    return false;
  }

  private receive(chunk: Buffer, handler: RunnerStreamHandler): void {
    if (this.over) return;
    try {
      this.deframer.push(chunk, (bytes) => this.over || handler.onMessage(decodeClientMessage(bytes)));
    } catch (error) {
      if (error instanceof OversizeError) return handler.onOversize(error.bytes, error.maxBytes);
      const code = error instanceof FrameError ? GRPC_STATUS.RESOURCE_EXHAUSTED : GRPC_STATUS.INTERNAL;
      handler.onCancelled();
      this.end(code, (error as Error).message);
    }
  }
}

const RESPONSE_HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

interface EndStatus extends GrpcStatus {
  readonly load?: string | undefined;
}

/** Never the same twice: it would only push out of the compression table what is. */
const NOT_COMPRESSED = [LOAD_TRAILER];

function statusHeaders(status: EndStatus | undefined): http2.OutgoingHttpHeaders {
  const { code, details, load } = status ?? { code: GRPC_STATUS.UNKNOWN, details: '' };
  const headers: http2.OutgoingHttpHeaders = { 'grpc-status': code };
  if (details !== '') headers['grpc-message'] = encodeMessage(details);
  return load === undefined ? headers : { ...headers, [LOAD_TRAILER]: load, [http2.sensitiveHeaders]: NOT_COMPRESSED };
}

/** As Fn's balancers and ours send it, else as instrumented clients of gRPC do. */
function traceOf(headers: http2.IncomingHttpHeaders): TraceContext {
  const binary = headers[BINARY_TRACE_HEADER];
  if (typeof binary !== 'string') return readTrace(headers);
  const state = headers[TRACE_STATE_HEADER];
  return decodeBinaryTrace(binary, typeof state === 'string' ? state : undefined);
}
