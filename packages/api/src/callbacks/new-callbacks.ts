import { hostname } from 'node:os';
import { type Clock, callbacksOf, decodeQueuedRequest } from '@fnfleet/core';
import type { MessageQueue } from '@fnfleet/queue';
import type { OwnersTerms } from '../async/owners-terms.js';
import type { ApiSettings } from '../settings.js';
import { CallbackHosts } from './callback-hosts.js';
import { CallbackSender, type CallbackSenderParts } from './callback-sender.js';
import { CallbackSigner } from './callback-signature.js';
import { followUps } from './follow-ups.js';

export type CallbackSettings = Pick<
  ApiSettings,
  | 'callbackSecret'
  | 'callbackAllow'
  | 'callbackTimeoutMs'
  | 'callbackAttempts'
  | 'callbackConsumers'
  | 'callbackConsumersPerHost'
>;

/** Gives each call that is accepted the callbacks of its function. */
export function callbackTerms({ callbackAttempts }: CallbackSettings, clock: Pick<Clock, 'wallNow'>): OwnersTerms {
  return ({ id, annotations }, { callId, head }) => {
    const callbacks = callbacksOf(annotations);
    if (callbacks.onSuccess === undefined && callbacks.onFailure === undefined) return {};
    const { hops = 0 } = decodeQueuedRequest(head);
    return followUps(callbacks, { callId, fnId: id, hops, now: clock.wallNow() }, callbackAttempts);
  };
}

/** Starts to deliver the callbacks that are in a queue. */
export function newCallbackSender(
  queue: MessageQueue,
  settings: CallbackSettings,
  parts: Pick<CallbackSenderParts, 'fns' | 'clock' | 'logger'>,
): CallbackSender {
  return new CallbackSender({
    hosts: new CallbackHosts(settings.callbackAllow),
    ...parts,
    queue,
    signer: new CallbackSigner(settings.callbackSecret),
    limits: {
      atOnce: settings.callbackConsumers,
      perHost: settings.callbackConsumersPerHost,
      timeoutMs: settings.callbackTimeoutMs,
    },
    holder: `${hostname()}-${process.pid}`,
  });
}
