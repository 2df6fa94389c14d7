import {
  type Call,
  CancelledError,
  FnError,
  type MonoMs,
  type RequestBody,
  type ResponseWriter,
  type TraceContext,
} from '@fnfleet/core';
import type { LogSink } from '../output/log-sink.js';

/** A call that was built by `getCall` and is run by `submit`. */
export interface AgentCall {
  readonly model: Call;
  readonly body: RequestBody;
  readonly response: ResponseWriter;
  readonly logSink: LogSink;
  readonly extensions: Readonly<Record<string, string>>;
  /** Ends the call when it aborts. */
  readonly signal: AbortSignal;
  /** The caller's own deadline; undefined if it has none. */
  readonly deadlineAt: MonoMs | undefined;
  /** Hexadecimal. Computed by the balancer if it sent one, otherwise by the agent. */
  readonly slotKey: string;
  /** Its container gets no network. */
  readonly networkDisabled: boolean;
  /**
   * Called once there is a connection to the function. The function gets its first byte only after this has called back, so
   * the sender of the call knows by then that it starts. It need not call back after `signal` has aborted. Called again in
   * the rare case that the connection accepts nothing and the call moves to another container. Undefined if the sender does
   * not need to know.
   */
  readonly beforeStart: ((start: () => void) => void) | undefined;
  /** The trace context of whatever happens for the call from now on. */
  trace: TraceContext;
  /** Filled in while the call runs. */
  readonly timings: CallTimings;
}

/** Nanoseconds. The container parts are set only on the call that caused the container to be launched. */
export interface CallTimings {
  imagePullWaitNs: number;
  containerPrepareNs: number;
  containerCreateNs: number;
  containerInitNs: number;
  /** startedAt − createdAt and completedAt − startedAt, in process time. */
  schedulerNs: number;
  executionNs: number;
}

/** What a container is launched for: it receives the durations, and its trace contains the launch. */
export type LaunchCause = Pick<AgentCall, 'timings' | 'trace'>;

/** The error of a call whose signal has aborted: the abort reason if callers know that error, otherwise CancelledError. */
export function cancelReason(signal: AbortSignal): FnError | CancelledError {
  const { reason } = signal;
  return reason instanceof FnError || reason instanceof CancelledError ? reason : new CancelledError();
}

/**
 * A call does not start after its caller has disconnected or its deadline has passed.
 * @throws the reason of the signal; FnError `serverBusy` when the deadline has passed
 */
export function throwIfEnded(call: AgentCall, now: MonoMs): void {
  if (call.signal.aborted) throw cancelReason(call.signal);
  if (call.deadlineAt !== undefined && call.deadlineAt <= now) throw new FnError('serverBusy');
}
