import type { MonoMs, TraceContext } from '@fnfleet/core';
import type { LoadReport } from '../wire/load-report.js';
import type { ClientMessage, RunnerMessage } from './messages.js';
import type { StartAckMode } from './start-ack.js';

/**
 * The interface between the state machines of an engagement and the transport. A transport delivers messages in order, never calls
 * back from within a call to it, and reports the end of the stream exactly once (`onEnd`; for a runner `onCancelled`, unless it
 * ended the stream itself).
 */
interface MessageStream<Outgoing> {
  /** Queues a message, whose bytes must not change from then on. False: the peer is slow, send no more until `onWritable`. Ignored once the stream has ended. */
  send(message: Outgoing): boolean;
  /** Stops delivery of messages, which in time stops the peer. */
  pause(): void;
  resume(): void;
}

/** The balancer's end. */
export interface ClientStream extends MessageStream<ClientMessage> {
  /** The request is complete. */
  halfClose(): void;
  /** Resets the stream: its result is no longer wanted. */
  cancel(): void;
  /** The outcome is known: lets the stream end by itself, within a bounded time, and drops what still arrives. */
  release(): void;
}

export interface ClientStreamHandler {
  onMessage(message: RunnerMessage): void;
  onWritable(): void;
  onEnd(end: StreamEnd): void;
  /** The runner has reported its load. May come after the outcome, and never comes from a runner of Fn. */
  onLoad?: ((load: LoadReport) => void) | undefined;
}

/** How a stream ended, as seen by the balancer. */
export interface StreamEnd {
  /** gRPC status code, or any number that the peer sent. */
  readonly code: number;
  readonly details: string;
  /** Whether the runner may have seen the call. False only if it certainly has not. */
  readonly mayHaveArrived: boolean;
  /** The runner's guarantee for `started` on this stream. */
  readonly startAckMode: StartAckMode;
  /**
   * Set if the stream was lost without a status. `allDataRead`: everything that the runner sent has been read. `unsure`: its last
   * data may be lost, for example on an unresponsive connection. Undefined: it ended with a status, or was reset by us.
   */
  readonly lost: 'allDataRead' | 'unsure' | undefined;
}

/** The runner's end. */
export interface RunnerStream extends MessageStream<RunnerMessage> {
  /** Ends the RPC. Code 0 is OK. The encoded load is sent in the trailing metadata. */
  end(code: number, details: string, load?: string): void;
  /**
   * Sends at once. Calls back when the message has left the process or, across a network, when the balancer has certainly read it;
   * never, if the stream ends before.
   */
  sendNow(message: RunnerMessage, onSent: () => void): void;
  /** The balancer wants `started`, and was told that it will be sent. */
  readonly wantsStart: boolean;
  /** The trace of the balancer's attempt. */
  readonly trace: TraceContext;
  /** The deadline of the stream; undefined: none. */
  readonly deadlineAt: MonoMs | undefined;
}

export interface RunnerStreamHandler {
  onMessage(message: ClientMessage): void;
  onWritable(): void;
  /** The balancer will send nothing more. */
  onHalfClose(): void;
  /** The balancer reset the stream, or the connection is gone. */
  onCancelled(): void;
  /** A message larger than `maxBytes` was received and not read. Nothing more is delivered. */
  onOversize(bytes: number, maxBytes: number): void;
}

/** The gRPC status codes that the protocol uses. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** A stream that ended with a status other than OK and without a report. */
export class StreamError extends Error {
  override readonly name = 'StreamError';

  constructor(
    readonly code: number,
    details: string,
    /** There is no connection to the runner, or it was lost: more than this RPC has failed. */
    readonly unreachable = false,
  ) {
    super(`gRPC status ${code}: ${details}`);
  }
}
