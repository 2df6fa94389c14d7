import {
  BINARY_TRACE_HEADER,
  type Clock,
  encodeBinaryTrace,
  hostOfAddress,
  type Logger,
  Once,
  silentLogger,
  systemClock,
  TRACE_STATE_HEADER,
  traceStateOf,
  unixPathOf,
} from '@fnfleet/core';
import type { EngageOptions, Engaging } from '../engage/balancer-session.js';
import { MAX_MESSAGE_BYTES } from '../engage/messages.js';
import { ACCEPT_HEADER, ACCEPT_STARTED } from '../engage/start-ack.js';
import { type ClientStream, type ClientStreamHandler, GRPC_STATUS, StreamError } from '../engage/stream.js';
import { EngageStream } from './client-stream.js';
import { encodeTimeout } from './grpc-status.js';
import { encodeField, encodeHeaders, isFieldValue } from './hpack/encoder.js';
import { RunnerLink, type RunnerTls } from './runner-link.js';
import { unaryCall } from './unary-call.js';

export interface ChannelOptions {
  /** TLS towards the runner; undefined: no TLS. */
  readonly tls?: RunnerTls;
  /** Limit for connecting, milliseconds. Default 1000. */
  readonly connectTimeoutMs?: number;
  /** Delay before an unreachable runner is tried again, milliseconds. Default 100, growing to 5000. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  /** Limit for messages of a runner, bytes. Default 4 MiB, as in Fn. */
  readonly maxMessageBytes?: number;
  /** How long a keepalive PING may stay unanswered before the runner is considered lost, milliseconds. Default 5000. */
  readonly keepaliveTimeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
}

const ENGAGE_PATH = '/RunnerProtocol/Engage';
/** Longer metadata values are not sent, so that the call is not rejected for them. */
const MAX_VALUE_CHARS = 4096;

/**
 * gRPC to one runner, on our own HTTP/2 (docs/decisions/0008), because gRPC client libraries do not report two things: whether
 * `try` may have arrived, and when the stream really accepts no more.
 */
export class RunnerChannel implements Engaging {
  private readonly link: RunnerLink;
  private readonly maxMessageBytes: number;
  private readonly clock: Clock;
  private readonly scheme: string;
  /** The constant part of the head of every engagement. */
  private readonly engageHead: Buffer;
  private lastTimeout = '';
  private lastHead: Buffer;
  private open = 0;
  private onceIdle: (() => void) | undefined;
  /** Whether the last status came from one of our runners. */
  isOurs = false;

  constructor(
    readonly address: string,
    options: ChannelOptions = {},
  ) {
    this.clock = options.clock ?? systemClock;
    this.scheme = options.tls ? 'https' : 'http';
    this.maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.engageHead = Buffer.concat([this.head(ENGAGE_PATH), encodeField(ACCEPT_HEADER, ACCEPT_STARTED)]);
    this.lastHead = this.engageHead;
    this.link = new RunnerLink({
      address,
      tls: options.tls,
      connectTimeoutMs: options.connectTimeoutMs ?? 1000,
      backoff: options.backoff ?? { initialMs: 100, maxMs: 5000 },
      keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 5000,
      isBusy: () => this.open > 0,
      mayPing: (peer) => this.isOurs || peer.startAckMode !== undefined,
      clock: this.clock,
      random: options.random ?? Math.random,
      logger: options.logger ?? silentLogger,
    });
  }

  /** A keepalive PING is overdue. */
  get isUnresponsive(): boolean {
    return this.link.isUnresponsive;
  }

  engage(options: EngageOptions, handler: ClientStreamHandler): ClientStream {
    this.open += 1;
    const stream = new EngageStream(handler, this.maxMessageBytes, this.onOver);
    const head = this.headOf(options);
    const peer = this.link.current;
    if (peer) stream.attach(peer, head);
    else {
      this.link.acquire().then(
        (connected) => stream.attach(connected, head),
        (error: Error) => stream.unreachable(error),
      );
    }
    return stream;
  }

  /** One request, one answer. @throws StreamError */
  async unary(path: string, request: Buffer, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Buffer> {
    this.open += 1;
    try {
      const peer = await this.link.acquire().catch((error: Error) => {
        throw new StreamError(GRPC_STATUS.UNAVAILABLE, error.message, true);
      });
      if (!peer.takesStreams)
        throw new StreamError(GRPC_STATUS.UNAVAILABLE, 'the connection takes no more streams', true);
      const head = Buffer.concat([this.head(path), encodeField('grpc-timeout', encodeTimeout(options.timeoutMs))]);
      return await unaryCall(peer, head, request, this.maxMessageBytes, { ...options, clock: this.clock });
    } finally {
      this.onOver();
    }
  }

  private readonly closing = new Once(async () => {
    if (this.open > 0) {
      await new Promise<void>((resolve) => {
        this.onceIdle = resolve;
      });
    }
    await this.link.close();
  });

  /** Waits for open streams, then closes the connection. Idempotent. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private readonly onOver = (): void => {
    this.open -= 1;
    if (this.open === 0) this.onceIdle?.();
  };

  /** Most calls have the same timeout and no other metadata, so that the previous head can be reused. */
  private headOf(options: EngageOptions): Buffer {
    const { requestId, deadlineAt, trace } = options;
    let head = this.engageHead;
    if (deadlineAt !== undefined) {
      const timeout = encodeTimeout(deadlineAt - this.clock.now());
      if (timeout !== this.lastTimeout) {
        this.lastTimeout = timeout;
        this.lastHead = Buffer.concat([this.engageHead, encodeField('grpc-timeout', timeout)]);
      }
      head = this.lastHead;
    }
    if (requestId === undefined && trace === undefined) return head;
    const more = metadata(options);
    return more.length === 0 ? head : Buffer.concat([head, ...more]);
  }

  private head(path: string): Buffer {
    return encodeHeaders([
      [':method', 'POST'],
      [':scheme', this.scheme],
      [':path', path],
      // gRPC's name for whoever listens on a unix socket; a path is not allowed here.
      [':authority', unixPathOf(this.address) === undefined ? this.address : hostOfAddress(this.address)],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ['user-agent', 'fnfleet'],
    ]);
  }
}

/** The metadata of a call that is not constant. */
function metadata({ requestId, trace }: EngageOptions): Buffer[] {
  const parts: Buffer[] = [];
  const add = (name: string, value: string | undefined) => {
    if (value && value.length <= MAX_VALUE_CHARS && isFieldValue(value)) parts.push(encodeField(name, value));
  };
  add('fn_request_id', requestId);
  const binary = trace && encodeBinaryTrace(trace);
  if (trace && binary !== undefined) {
    add(BINARY_TRACE_HEADER, binary);
    add(TRACE_STATE_HEADER, traceStateOf(trace));
  }
  return parts;
}
