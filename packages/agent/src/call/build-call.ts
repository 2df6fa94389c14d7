import { type Call, FnError, MIB, NO_TRACE, type ResponseWriter, slotKey, type WallMs } from '@fnfleet/core';
import { noLogSink } from '../output/log-sink.js';
import type { Resources } from '../resources/resource-tracker.js';
import type { AgentCall, CallTimings } from './agent-call.js';
import type { CallDraft, CallOption } from './call-options.js';

export type Extensions = Readonly<Record<string, string>>;

/**
 * Inspects a call before it is accepted, and may mutate its model. The return value replaces the call's extensions.
 * Throwing refuses the call with that error.
 */
export type CallOverrider = (model: Call, extensions: Extensions) => Extensions | Promise<Extensions>;

export interface BuildCallDeps {
  /** Applied after the options of each call, so that they can override them. */
  readonly agentOptions: readonly CallOption[];
  readonly overrider: CallOverrider | undefined;
  readonly isPossible: (need: Resources) => boolean;
  readonly newId: () => string;
  readonly createdAt: WallMs;
  /** The driver's addition to slot keys. */
  readonly slotKeyExtension: string;
}

/** Set for every function, and overrides its configuration. */
const FORCED_CONFIG = { FN_LISTENER: 'unix:/tmp/iofs/lsnr.sock', FN_FORMAT: 'http-stream' };

/**
 * Applies the options in order and completes the call. Not an async function, which would allocate more for each call.
 * Rejects with FnError `resourceTooBig`, or with what an option or the overrider threw.
 */
export function buildCall(options: readonly CallOption[], deps: BuildCallDeps): Promise<AgentCall> {
  try {
    const draft = newDraft(options, deps);
    if (deps.overrider === undefined) return Promise.resolve(complete(draft, draft.extensions, deps));
    return overridden(draft, deps.overrider, deps);
  } catch (error) {
    return Promise.reject(error);
  }
}

async function overridden(draft: CompleteDraft, overrider: CallOverrider, deps: BuildCallDeps): Promise<AgentCall> {
  return complete(draft, await overrider(draft.model, draft.extensions), deps);
}

type CompleteDraft = CallDraft & Required<Pick<CallDraft, 'model' | 'body'>>;

function newDraft(options: readonly CallOption[], deps: BuildCallDeps): CompleteDraft {
  const draft: CallDraft = { extensions: {}, newId: deps.newId, createdAt: deps.createdAt };
  for (const option of options) option(draft);
  for (const option of deps.agentOptions) option(draft);

  if (!isComplete(draft)) throw new Error('no model or request provided for call');
  return draft;
}

function isComplete(draft: CallDraft): draft is CompleteDraft {
  return draft.model !== undefined && draft.body !== undefined;
}

function complete(draft: CompleteDraft, extensions: Extensions, deps: BuildCallDeps): AgentCall {
  const { model, body, networkDisabled = false } = draft;
  if (!deps.isPossible(needOf(model))) throw new FnError('resourceTooBig');
  model.config = { ...model.config, ...FORCED_CONFIG };
  return {
    model,
    body,
    extensions,
    response: draft.response ?? DROPPED,
    logSink: draft.logSink ?? noLogSink,
    signal: draft.signal ?? NEVER,
    deadlineAt: draft.deadlineAt,
    slotKey:
      draft.slotKey ||
      slotKey(model, networkDisabled ? `${deps.slotKeyExtension}${NO_NETWORK}` : deps.slotKeyExtension),
    networkDisabled,
    beforeStart: draft.beforeStart,
    trace: draft.trace ?? NO_TRACE,
    timings: noTimings(),
  };
}

/** The resources of a container for the call. The size of its /tmp counts as memory. */
export function needOf(model: Call): Resources {
  return { memoryBytes: (model.memoryMb + model.tmpfsMb) * MIB, cpuMillis: model.cpuMillis };
}

/** Part of the slot key, so that containers with and without a network are never confused. */
const NO_NETWORK = 'no-network';

const DROPPED: ResponseWriter = { writeHead: () => undefined, write: () => true, onDrain: (callback) => callback() };
/** Shared by all calls. They remove their listeners, so it never has more than there are concurrent calls. */
const NEVER = new AbortController().signal;

export function noTimings(): CallTimings {
  return {
    imagePullWaitNs: 0,
    containerPrepareNs: 0,
    containerCreateNs: 0,
    containerInitNs: 0,
    schedulerNs: 0,
    executionNs: 0,
  };
}
