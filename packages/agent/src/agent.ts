import type { Service } from '@fnfleet/core';
import type { DriverHealth } from '@fnfleet/drivers';
import type { AgentLoad } from './agent-load.js';
import type { AgentCall } from './call/agent-call.js';
import type { CallOption } from './call/call-options.js';

/** Executes calls on this machine, in hot containers. */
export interface Agent extends Service {
  /**
   * Builds a call from options, in the order given.
   * @throws FnError `resourceTooBig` when this machine could never run it
   */
  getCall(...options: CallOption[]): Promise<AgentCall>;
  /**
   * Runs a call and resolves when its answer has been written.
   * @throws FnError with what to tell the caller; CancelledError when the caller went away
   */
  submit(call: AgentCall): Promise<void>;
  /** Listeners run in the order they were added. */
  addCallListener(listener: CallListener): void;
  /** What is promised to containers now. */
  readonly utilization: Utilization;
  /** While degraded, calls that need a new container are refused; hot containers serve on. */
  readonly health: DriverHealth;
  /** The calls in hand now. Cheap, as is all that tells of load: it is asked after every call. */
  readonly load: AgentLoad;
  /** The functions that have containers here, or calls that wait for one. Made anew each time: for operators. */
  readonly hotFunctions: readonly HotFunction[];
  /** The images that are being pulled for calls, each once. Made anew each time: for operators. */
  readonly imagePulls: readonly PulledImage[];
  /** How many containers could take a call with this slot key at once. */
  idleContainers(slotKey: string): number;
}

export interface CallListener {
  /** A slot is there, execution is about to start. Throwing ends the call with that error. */
  beforeCall?(call: AgentCall): void | Promise<void>;
  /** The call has ended, however it did. Errors are logged and go no further. */
  afterCall?(call: AgentCall): void | Promise<void>;
}

/** What there is of one function; of one version of it, if it was changed lately. */
export interface HotFunction {
  readonly fnId: string;
  /** Containers that serve a call or could. */
  readonly hot: number;
  /** Those of them that could take a call now. */
  readonly idle: number;
  /** Containers that are on their way. */
  readonly starting: number;
  /** Calls that wait for a container. */
  readonly waiting: number;
}

/** How far an image is that is being pulled. */
export interface PulledImage {
  /** As the function names it. */
  readonly image: string;
  /** Of the layers whose download has begun; both 0: the engine has not said. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface Utilization {
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** The part of what is used that idle containers would give up for another function. */
  readonly memoryIdleBytes: number;
  readonly cpuUsedMillis: number;
  readonly cpuTotalMillis: number;
}
