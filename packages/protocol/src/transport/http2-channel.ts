import http2 from 'node:http2';
import {
  BINARY_TRACE_HEADER,
  type Clock,
  encodeBinaryTrace,
  InflightTracker,
  type Logger,
  later,
  Once,
  silentLogger,
  systemClock,
  TRACE_STATE_HEADER,
  type TraceContext,
  traceStateOf,
} from '@fnfleet/core';
import type { EngageOptions, Engaging } from '../balancer-session.js';
import { ACCEPT_HEADER, ACCEPT_STARTED } from '../start-marker.js';
import { type ClientStream, type ClientStreamHandler, GRPC_STATUS, type StreamEnd, StreamError } from '../stream.js';
import { encodeTimeout } from './grpc-status.js';
import { Http2ClientStream, hasPromised } from './http2-client-stream.js';
import { Http2Connection, type RunnerTls } from './http2-connection.js';
import { unaryCall } from './unary-call.js';

export interface ChannelOptions {
  /** TLS towards the runner; undefined: plain text. */
  readonly tls?: RunnerTls;
  /** Limit for connecting, milliseconds. Default 1000. */
  readonly connectTimeoutMs?: number;
  /** Delay before a runner that could not be reached is tried again, milliseconds. Default 100, growing to 5000. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  /** Largest message taken from a runner, bytes. Default 4 MiB, as in the original. */
  readonly maxMessageBytes?: number;
  /** A runner that says nothing for so long, although it is asked to, is taken for lost; milliseconds. Default 5000. */
  readonly silenceMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
}

/** Never the same twice: it would only push out of the compression table what is. */
const NEVER_INDEXED = { [http2.sensitiveHeaders]: [BINARY_TRACE_HEADER] };

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * gRPC to one runner straight on node:http2 (docs/decisions/0002). Two things are needed that a gRPC client library
 * does not tell: whether `try` may have arrived, and when the stream really takes no more.
 */
export class Http2Channel implements Engaging {
  private readonly connection: Http2Connection;
  private readonly inflight = new InflightTracker();
  private readonly maxMessageBytes: number;
  private readonly clock: Clock;
  private readonly scheme: string;
  /** By what the runner said last, in another way than on its streams, it is one of ours. */
  isOurs = false;

  constructor(
    readonly address: string,
    options: ChannelOptions = {},
  ) {
    this.clock = options.clock ?? systemClock;
    this.scheme = options.tls ? 'https' : 'http';
    this.maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    this.connection = new Http2Connection({
      address,
      tls: options.tls,
      connectTimeoutMs: options.connectTimeoutMs ?? 1000,
      backoff: options.backoff ?? { initialMs: 100, maxMs: 5000 },
      silenceMs: options.silenceMs ?? 5000,
      isBusy: () => this.inflight.size > 0,
      mayPing: (session) => this.isOurs || hasPromised(session),
      clock: this.clock,
      random: options.random ?? Math.random,
      logger: options.logger ?? silentLogger,
    });
  }

  /** Something was asked of the runner, and it owes every sign of life for longer than usual. */
  get isSilent(): boolean {
    return this.connection.isSilent;
  }

  engage(options: EngageOptions, handler: ClientStreamHandler): ClientStream {
    const leave = this.inflight.enter();
    const onEnd = (end: StreamEnd) => {
      leave();
      handler.onEnd(end);
    };
    const stream = new Http2ClientStream(
      {
        onMessage: (message) => handler.onMessage(message),
        onWritable: () => handler.onWritable(),
        onEnd,
        onLoad: handler.onLoad,
      },
      this.maxMessageBytes,
    );
    const headers = this.headers('/RunnerProtocol/Engage', options);
    headers[ACCEPT_HEADER] = ACCEPT_STARTED;
    const session = this.connection.current;
    if (session) stream.attach(session, headers);
    else {
      this.connection.acquire().then(
        (connected) => stream.attach(connected, headers),
        (error: Error) => stream.unreachable(error),
      );
    }
    return stream;
  }

  /** One request, one answer. @throws StreamError */
  async unary(path: string, request: Buffer, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Buffer> {
    const leave = this.inflight.enter();
    try {
      const session = await this.connection.acquire().catch((error: Error) => {
        throw new StreamError(GRPC_STATUS.UNAVAILABLE, error.message);
      });
      const headers = this.headers(path, { deadlineAt: later(this.clock.now(), options.timeoutMs) });
      return await unaryCall(session, headers, request, this.maxMessageBytes, { ...options, clock: this.clock });
    } finally {
      leave();
    }
  }

  private readonly closing = new Once(async () => {
    await this.inflight.whenIdle();
    await this.connection.close();
  });

  /** Waits for streams in hand, then closes the connection. Idempotent. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private headers(path: string, options: EngageOptions): http2.OutgoingHttpHeaders {
    const headers: http2.OutgoingHttpHeaders = {
      ':method': 'POST',
      ':scheme': this.scheme,
      ':authority': this.address,
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'fnfleet',
    };
    if (options.requestId) headers.fn_request_id = options.requestId;
    if (options.deadlineAt !== undefined)
      headers['grpc-timeout'] = encodeTimeout(options.deadlineAt - this.clock.now());
    if (options.trace !== undefined) addTrace(headers, options.trace);
    return headers;
  }
}

function addTrace(headers: http2.OutgoingHttpHeaders, trace: TraceContext): void {
  const binary = encodeBinaryTrace(trace);
  if (binary === undefined) return;
  headers[BINARY_TRACE_HEADER] = binary;
  const state = traceStateOf(trace);
  if (state !== undefined) headers[TRACE_STATE_HEADER] = state;
  Object.assign(headers, NEVER_INDEXED);
}
