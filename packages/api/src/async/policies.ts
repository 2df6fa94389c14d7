import { type AsyncPolicy, asyncPolicyOf } from '@fnfleet/core';
import { DEFAULT_RETRY_POLICY, type FunctionLimits, type MessageQueue, type RetryPolicy } from '@fnfleet/queue';
import type { Change } from '../datastore/datastore.js';
import type { LocalListener } from '../feed/feed-reader.js';
import type { OwnersTerms, TermsOfFunctions } from './owners-terms.js';

/** The annotation `fnfleet/async`, for a call that is accepted. Its caller may choose the delay. */
export const policyTerms: OwnersTerms = (fn, message, app) => {
  const policy = asyncPolicyOf(fn.annotations, app?.annotations);
  const delayMs = message.delayMs ?? policy.delayMs;
  return {
    priority: policy.priority ?? message.priority,
    delayMs,
    maxAgeMs: policy.maxAgeMs === undefined ? message.maxAgeMs : policy.maxAgeMs + (delayMs ?? 0),
    policy: retryPolicy(policy) ?? message.policy,
    // Also if there are none any more.
    limits: limitsOf(policy),
  };
};

function retryPolicy({ attempts, backoffMs, maxBackoffMs, retryOn }: AsyncPolicy): RetryPolicy | undefined {
  if ([attempts, backoffMs, maxBackoffMs, retryOn].every((part) => part === undefined)) return undefined;
  const { backoffMs: first, maxBackoffMs: longest, ...rest } = DEFAULT_RETRY_POLICY;
  return {
    attempts: attempts ?? rest.attempts,
    backoffMs: backoffMs ?? first,
    maxBackoffMs: maxBackoffMs ?? Math.max(longest, backoffMs ?? 0),
    retryOn: retryOn ?? rest.retryOn,
  };
}

function limitsOf({ concurrency, rate }: AsyncPolicy): FunctionLimits {
  return { concurrency, rate };
}

interface LimitsParts {
  readonly terms: Pick<TermsOfFunctions, 'read' | 'forget' | 'forgetAll'>;
  /** Makes a change if the queue is open, and never rejects. */
  readonly whenOpen: (change: (queue: MessageQueue) => Promise<void>) => Promise<void>;
}

/**
 * Gives the queue the limits of functions that have changed, so that they apply to calls that already wait. After a change of an
 * app, or when changes may have been missed, these are the functions with most calls; others follow with their next call.
 */
export class LimitsFollower implements LocalListener {
  constructor(private readonly parts: LimitsParts) {}

  onChanges(changes: readonly Change[]): void {
    for (const { id } of changes) this.parts.terms.forget(id);
    void this.parts.whenOpen(async (queue) => {
      for (const { kind, action, id } of changes)
        if (kind === 'fn' && action === 'updated') await this.apply(queue, id);
      const isOfApp = changes.some(({ kind, action }) => kind === 'app' && action === 'updated');
      if (isOfApp) await this.applyToMost(queue);
    });
  }

  onReset(): void {
    this.parts.terms.forgetAll();
    void this.parts.whenOpen((queue) => this.applyToMost(queue));
  }

  private async applyToMost(queue: MessageQueue): Promise<void> {
    const { functions } = await queue.stats();
    for (const { fnId } of functions) await this.apply(queue, fnId);
  }

  private async apply(queue: MessageQueue, fnId: string): Promise<void> {
    const owned = await this.parts.terms.read(fnId);
    if (owned === undefined) return;
    await queue.configure(fnId, limitsOf(asyncPolicyOf(owned.fn.annotations, owned.app?.annotations)));
  }
}
