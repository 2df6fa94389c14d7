import type { IncomingMessage } from 'node:http';
import type { Call, CallOutcome, Clock, IdGenerator, Logger, Resource, Service } from '@fnfleet/core';
import type { Explanation } from '@fnfleet/operator-api';
import type { FleetStatus, HealthOptions, Outlook, PlacementTiming, QueueLimits } from '@fnfleet/placement';
import type { LbCallOption } from './call/call-options.js';
import type { LbCall } from './call/lb-call.js';
import type { ReplayBudget } from './replay/replay-budget.js';

/** Places calls on runners. Embeddable, because it is independent of an HTTP server and of function lookup. */
export interface LbAgent extends Service {
  /**
   * Builds a call from the given options in order, then from those of the agent, and then applies its overrider.
   * @throws the error of an option or the overrider; Error when no option has set a model, body and writer
   */
  getCall(...options: LbCallOption[]): Promise<LbCall>;
  /**
   * Places a call. Waits for its body first unless that is long. Resolves when the response has been handed to the
   * writer; for a detached call, when its whole body is held and it has started.
   * @throws FnError or PeerError with the message for the caller; CancelledError when the caller disconnected; anything
   *   else is a failure of the platform
   */
  submit(call: LbCall): Promise<void>;
  /**
   * Reports what would happen to a call without running or recording it.
   * @throws the error with which the call would fail before its placement
   */
  foresee(call: LbCall): Promise<Outlook>;
  /** Adds a listener. Listeners run in the order in which they were added. */
  addCallListener(listener: LbCallListener): void;
  /** Explains a call that is in flight or has ended recently; undefined if it is unknown or forgotten. */
  explain(callId: string): Explanation | undefined;
  /** The state of the runners; undefined if calls are not placed on runners. */
  fleetStatus(): FleetStatus | undefined;
  /** Queries the status of every runner, for at most this long in milliseconds, and updates `fleetStatus`. */
  askRunners(limitMs: number): Promise<void>;
  /**
   * Cordons a runner, or lifts the cordon; calls in flight there continue. Lasts until this process ends.
   * @returns false if there is no such runner
   */
  setCordoned(address: string, cordoned: boolean): boolean;
}

/**
 * May modify a call just before it is placed.
 * @returns the extensions to send with it
 */
export type CallOverrider = (
  request: IncomingMessage | undefined,
  model: Call,
  extensions: Record<string, string>,
) => Record<string, string> | Promise<Record<string, string>>;

export interface LbAgentOptions {
  readonly timing?: Partial<PlacementTiming>;
  /** Added to the deadline of a detached call, milliseconds. Default 360 000. */
  readonly executionHeadroomMs?: number;
  /** A body of up to this many bytes is received completely before its call is placed. Default 64 KiB. */
  readonly completeBodyBytes?: number;
  /** Bytes of a request body that are kept in memory for another attempt. Default 8 MiB. */
  readonly replayBufferBytes?: number;
  /** Budget for the kept bodies of all calls. Default: memory without a common limit, and no disk. */
  readonly replayBudget?: ReplayBudget;
  /** Largest request body, bytes. Default 0: no limit. */
  readonly maxRequestBytes?: number;
  readonly callOverrider?: CallOverrider;
  /** Options for every call, applied after its own. */
  readonly callOptions?: readonly LbCallOption[];
  /** Limits of the queue. Default: 10 000 calls, 256 MiB of bodies. */
  readonly queueLimits?: QueueLimits;
  /** When failing runners are ejected. Missing values have their defaults. */
  readonly health?: Partial<HealthOptions>;
  /** Uniform random numbers in [0, 1), for jitter. Default: Math.random. */
  readonly random?: () => number;
  /**
   * Number of ended calls that `explain` remembers. Default 1000; 0: none, and calls in flight are not recorded either.
   */
  readonly explainCalls?: number;
  readonly ids?: Pick<IdGenerator, 'next'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Receives the calls of an agent. */
export interface LbCallListener {
  /** Called before the call is placed. If it throws, the call fails with that error, and `afterCall` is not called. */
  beforeCall?(call: LbCall): void | Promise<void>;
  /** Called after the call has ended in any way; its model has the result. Errors are only logged. */
  afterCall?(call: LbCall): void | Promise<void>;
}

/** Brings calls that an agent has accepted to where they run. */
export interface CallPlacement extends Resource {
  /** Whether the placement counts calls itself. By default the agent does: a process counts a call only once. */
  readonly countsCalls: boolean;
  /** Resolves when the response of the call has been written, or when it has failed. Never rejects. */
  place(call: LbCall): Promise<CallOutcome>;
  /**
   * Reports what would happen to a call if it were placed now. Nothing runs.
   * @throws the error with which it would fail before its placement
   */
  outlook(call: LbCall): Promise<Outlook>;
  /** The state of the runners, if there are any. */
  status?(): FleetStatus;
  /** Queries the status of every runner, for at most this long in milliseconds. */
  askRunners?(limitMs: number): Promise<void>;
  /** Cordons a runner, or lifts the cordon. @returns false if there is no such runner */
  setCordoned?(address: string, cordoned: boolean): boolean;
}
