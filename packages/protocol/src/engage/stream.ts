import type { MonoMs, TraceContext } from '@fnfleet/core';
import type { LoadReport } from '../wire/load-report.js';
import type { ClientMessage, RunnerMessage } from './messages.js';
import type { StartAckMode } from './start-ack.js';

/**
 * The border between the state machines of an engagement and whatever carries it. A transport delivers messages in
 * order, never calls back from within a call to it, and says exactly once that the stream is over (`onEnd`; for a runner
 * `onCancelled`, unless it ended the stream itself).
 */
interface MessageStream<Outgoing> {
  /** Queues a message, whose bytes nobody may change from then on. False: the peer is slow, send no more until `onWritable`. Ignored once the stream has ended. */
  send(message: Outgoing): boolean;
  /** Stops delivery of messages, which in time stops the peer. */
  pause(): void;
  resume(): void;
}

/** The balancer's end. */
export interface ClientStream extends MessageStream<ClientMessage> {
  /** The request is complete. */
  halfClose(): void;
  /** Resets the stream: whatever the runner is doing for it is no longer wanted. */
  cancel(): void;
  /** The outcome is known; lets the stream end by itself, within a bounded time, and drops what still arrives. */
  release(): void;
}

export interface ClientStreamHandler {
  onMessage(message: RunnerMessage): void;
  onWritable(): void;
  onEnd(end: StreamEnd): void;
  /** The runner has told its load. May come after the outcome is known, and never comes from a runner of Fn. */
  onLoad?: ((load: LoadReport) => void) | undefined;
}

/** How a stream ended, seen from the balancer. */
export interface StreamEnd {
  /** gRPC status code, or whatever number the peer put there. */
  readonly code: number;
  readonly details: string;
  /** The runner may have seen the call. False only when it certainly has not. */
  readonly mayHaveArrived: boolean;
  /** What the runner has promised about saying `started` before a function gets the call. */
  readonly startAckMode: StartAckMode;
  /**
   * The stream was lost, without a status. `allDataRead`: all that the runner sent has been read. `unsure`: its last words may
   * have got lost, as when a connection falls silent. Undefined: it ended with a status, or was cut from here.
   */
  readonly lost: 'allDataRead' | 'unsure' | undefined;
}

/** The runner's end. */
export interface RunnerStream extends MessageStream<RunnerMessage> {
  /** Ends the RPC. Code 0 is OK. The load, encoded, goes along in the trailing metadata. */
  end(code: number, details: string, load?: string): void;
  /**
   * Sends at once. Calls back when the message has left the process or, where it crosses a network, when the balancer has
   * certainly read it; never, when the stream ends before.
   */
  sendNow(message: RunnerMessage, onSent: () => void): void;
  /** The balancer wants to hear `started`; it has been announced that it will. */
  readonly wantsStart: boolean;
  /** The trace that the balancer's offer belongs to. */
  readonly trace: TraceContext;
  /** The deadline the balancer gave the stream; undefined: none. */
  readonly deadlineAt: MonoMs | undefined;
}

export interface RunnerStreamHandler {
  onMessage(message: ClientMessage): void;
  onWritable(): void;
  /** The balancer will send nothing more. */
  onHalfClose(): void;
  /** The balancer reset the stream, or the connection is gone. */
  onCancelled(): void;
  /** A message has come that is larger than `maxBytes` and was not read. Nothing more is delivered. */
  onOversize(bytes: number, maxBytes: number): void;
}

/** gRPC status codes that the protocol gives a meaning. */
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

/** A stream that ended with a status other than OK and no word about the call. */
export class StreamError extends Error {
  override readonly name = 'StreamError';

  constructor(
    readonly code: number,
    details: string,
    /** There is no connection to the runner, or it was lost: more than one rpc has failed. */
    readonly unreachable = false,
  ) {
    super(`gRPC status ${code}: ${details}`);
  }
}
