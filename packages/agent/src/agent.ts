import type { Service } from '@fnfleet/core';
import type { DriverHealth } from '@fnfleet/drivers';
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
   * Runs a call and resolves when its response has been written.
   * @throws FnError with the response for the caller; CancelledError when the caller disconnected
   */
  submit(call: AgentCall): Promise<void>;
  /** Listeners run in the order they were added. */
  addCallListener(listener: CallListener): void;
  /** The resources that are reserved for containers now. */
  readonly utilization: Utilization;
  /** While degraded, calls that need a new container are refused; hot containers keep serving. */
  readonly health: DriverHealth;
  /** The calls in progress. Cheap to read, because it is read after every call. */
  readonly load: AgentLoad;
  /** The functions that have containers here or calls waiting for one. Computed on each read, for operators. */
  readonly hotFunctions: readonly HotFunction[];
  /** The images that are being pulled for calls, each listed once. Computed on each read, for operators. */
  readonly imagePulls: readonly PulledImage[];
  /** How many idle containers with this slot key could take a call now. */
  idleContainers(slotKey: string): number;
}

/** How many calls an agent has in progress. */
export interface AgentLoad {
  /** Calls that wait for a container. */
  readonly waiting: number;
  /** Calls that are being executed. */
  readonly running: number;
}

export interface CallListener {
  /** A container has been assigned and execution is about to start. Throwing ends the call with that error. */
  beforeCall?(call: AgentCall): void | Promise<void>;
  /** The call has ended, successfully or not. Errors are logged and otherwise ignored. */
  afterCall?(call: AgentCall): void | Promise<void>;
}

/** Containers and waiting calls of one function; of one version of it, if it was updated recently. */
export interface HotFunction {
  readonly fnId: string;
  /** Containers that serve a call or could serve one. */
  readonly hot: number;
  /** Hot containers that could take a call now. */
  readonly idle: number;
  /** Containers that are being launched. */
  readonly starting: number;
  /** Calls that wait for a container. */
  readonly waiting: number;
}

/** Progress of an image that is being pulled. */
export interface PulledImage {
  /** The image name of the function. */
  readonly image: string;
  /** Sum over the layers whose download has begun; both sizes are 0 while the engine has reported none. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface Utilization {
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** The part of the used memory that eviction of idle containers could free for another function. */
  readonly memoryIdleBytes: number;
  readonly cpuUsedMillis: number;
  readonly cpuTotalMillis: number;
}
