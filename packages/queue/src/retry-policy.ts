/**
 * Who caused a failure. `platform`: a runner was lost, a node is shutting down, nothing had room. `timeout`: the function
 * passed its deadline. `function`: it crashed, or answered with an error. `caller`: the call can never run as it was sent.
 */
export type FailureKind = 'platform' | 'timeout' | 'function' | 'caller';

export interface Failure {
  readonly kind: FailureKind;
  /** Of the error table. */
  readonly code: string;
  readonly message: string;
  /** The next attempt starts no earlier, even if the policy allows it: `Retry-After`. A day at most. */
  readonly afterMs?: number;
  /** What the attempt has logged. */
  readonly log?: string;
}

/** How often a call is run, and when. */
export interface RetryPolicy {
  /** Failures that count until the call is dead; 1: it is never run again. */
  readonly attempts: number;
  /** Time after the first failure, twice that after the second, and so on. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Others than these end the call at once, except for those of the platform, which are always retried and never count. */
  readonly retryOn: readonly FailureKind[];
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  attempts: 3,
  backoffMs: 1_000,
  maxBackoffMs: 300_000,
  retryOn: ['timeout', 'function'],
};

/** A call is dead after this many attempts, even if all failures were the platform's: it may be the reason for them. */
export const MAX_ATTEMPTS = 100;

/** The longest pause that a failure may ask for. */
const MAX_AFTER_MS = 24 * 3_600_000;

export type RetryDecision = { readonly kind: 'retry'; readonly delayMs: number } | { readonly kind: 'dead' };

/** What happens to a call before this failure. */
export interface RetryState {
  /** Including the one that failed now. */
  readonly attempt: number;
  /** Counted failures, without this one. */
  readonly failures: number;
}

/** Whether a failure counts towards `attempts` of a policy. */
export function counts({ kind }: Failure): boolean {
  return kind !== 'platform';
}

/**
 * Decides what a failure leads to. The delay is between half and all of the back-off, so that calls that failed together
 * do not return together.
 * @param random in [0, 1)
 */
export function decideRetry(policy: RetryPolicy, state: RetryState, failure: Failure, random: number): RetryDecision {
  if (state.attempt >= MAX_ATTEMPTS) return { kind: 'dead' };
  const counted = counts(failure);
  if (counted && !policy.retryOn.includes(failure.kind)) return { kind: 'dead' };
  if (counted && state.failures + 1 >= policy.attempts) return { kind: 'dead' };
  // The failures of its own kind: a lost runner does not slow down the retries of a function.
  const before = counted ? state.failures : state.attempt - 1 - state.failures;
  const backoffMs = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** Math.max(0, before));
  const delayMs = Math.ceil((backoffMs * (1 + random)) / 2);
  return { kind: 'retry', delayMs: Math.max(delayMs, Math.min(failure.afterMs ?? 0, MAX_AFTER_MS)) };
}
