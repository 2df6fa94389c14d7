import type { Call, MonoMs, RequestBody, ResponseWriter, TraceContext } from '@fnfleet/core';
import type { LogSink } from '../output/log-sink.js';

/** A call that an agent has accepted to build: made by `getCall`, run by `submit`. */
export interface AgentCall {
  readonly model: Call;
  readonly body: RequestBody;
  readonly response: ResponseWriter;
  readonly logSink: LogSink;
  readonly extensions: Readonly<Record<string, string>>;
  /** Ends the call when it aborts. */
  readonly signal: AbortSignal;
  /** The caller's own deadline; undefined: none. */
  readonly deadlineAt: MonoMs | undefined;
  /** Hex. Set from the wire when the balancer computed it, else computed by the agent. */
  readonly slotKey: string;
  /** Its container gets no network. */
  readonly networkDisabled: boolean;
  /**
   * Called when there is a connection to the function, which gets its first byte when this has called back: whoever sent
   * the call has been told by then. It need not call back after `signal` has aborted. Called again in the rare case that the
   * connection takes nothing after all and the call goes to another container. Undefined: nobody wants to know.
   */
  readonly beforeStart: ((start: () => void) => void) | undefined;
  /** What happens for the call from now on belongs to this. */
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

/** What a container is launched for: who is told how long it took, and in whose trace that is. */
export type LaunchCause = Pick<AgentCall, 'timings' | 'trace'>;
