import type { IncomingMessage } from 'node:http';
import type { Call, Clock, IdGenerator, Logger, Service } from '@fnfleet/core';
import type { Explanation } from '@fnfleet/operator-api';
import type { FleetStatus, HealthOptions, Outlook, PlacementTiming, QueueLimits } from '@fnfleet/placement';
import type { LbCallOption } from './call/call-options.js';
import type { LbCall } from './call/lb-call.js';
import type { LbCallListener } from './http/call-listener.js';
import type { ReplayBudget } from './replay/replay-budget.js';

/** Places calls on runners. Embeddable: it knows no HTTP server and no way to look functions up. */
export interface LbAgent extends Service {
  /**
   * Builds a call from options, in the order given; then those of the agent; then its overrider has its say.
   * @throws whatever an option or the overrider throws; Error when no option set a model, body and writer
   */
  getCall(...options: LbCallOption[]): Promise<LbCall>;
  /**
   * Places a call, when its body is here unless that is long. Resolves when its answer has been handed to the writer; for a
   * detached call, when all of its body is held and it has begun.
   * @throws FnError or PeerError with what to tell the caller; CancelledError when the caller went away;
   *   anything else is a failure of the platform
   */
  submit(call: LbCall): Promise<void>;
  /**
   * What would become of a call if it were submitted, in place of that. Nothing runs, and nothing is remembered of it.
   * @throws what it would fail with without being placed
   */
  foresee(call: LbCall): Promise<Outlook>;
  /** Listeners run in the order they were added. */
  addCallListener(listener: LbCallListener): void;
  /** What became of a call that is under way or has ended a while ago. Undefined: it is not known, or not any more. */
  explain(callId: string): Explanation | undefined;
  /** What is seen of the runners; undefined where calls are not placed on any. */
  fleetStatus(): FleetStatus | undefined;
  /** Asks every runner how it is, for so long at most, milliseconds: `fleetStatus` then tells what they said. */
  askRunners(limitMs: number): Promise<void>;
  /**
   * Offers a runner nothing any more, or does again; the calls that it has go on. For as long as this process lives.
   * @returns false: there is no such runner
   */
  setCordoned(address: string, cordoned: boolean): boolean;
}

/**
 * May change a call just before it is placed.
 * @returns the extensions that travel with it
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
  /** A body of up to so many bytes is waited for before its call is placed. Default 64 KiB. */
  readonly completeBodyBytes?: number;
  /** Bytes of a request body that are kept in memory for another attempt. Default 8 MiB. */
  readonly replayBufferBytes?: number;
  /** What the bodies of all calls may keep. Default: memory without a common limit, and no disk. */
  readonly replayBudget?: ReplayBudget;
  /** Largest request body, bytes. Default 0: no limit. */
  readonly maxRequestBytes?: number;
  readonly callOverrider?: CallOverrider;
  /** Applied to every call, after its own. */
  readonly callOptions?: readonly LbCallOption[];
  /** What may wait for a runner. Default: 10 000 calls, 256 MiB of bodies. */
  readonly queueLimits?: QueueLimits;
  /** When runners are taken out for failing. What is not given has its default. */
  readonly health?: Partial<HealthOptions>;
  /** Uniform, 0 to below 1, for pauses that differ. Default: Math.random. */
  readonly random?: () => number;
  /** How many calls that have ended `explain` can tell of. Default 1000; 0: none, nor those under way. */
  readonly explainCalls?: number;
  readonly ids?: Pick<IdGenerator, 'next'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}
