import { type Clock, count, countFromZero } from '@fnfleet/core';
import { throwIfAborted } from '../../cancellation.js';

/** When a failed pull is retried. Durations in milliseconds. */
export interface PullRetryPolicy {
  /** 0: never. */
  readonly maxRetries: number;
  readonly intervalMs: number;
  readonly minDelayMs: number;
  /** 0: no limit. */
  readonly maxDelayMs: number;
}

/**
 * Transient failures of a registry or the network, by their metric label and the engine's message, because the engine has no
 * codes for them.
 */
const TRANSIENT_FAILURES: readonly (readonly [reason: string, words: RegExp])[] = [
  ['429', /\btoomanyrequests:|\bHTTP status: 429\b/],
  ['5xx', /\bHTTP status: 5\d\d\b/],
  ['connection_reset', /\bconnection reset by peer\b|\bbroken pipe\b|: (unexpected )?EOF$/],
  ['timeout', /\bi\/o timeout\b|\bhandshake timeout\b|\bClient\.Timeout\b|\bcontext deadline exceeded\b/],
];

/** The reason to retry a failed pull; undefined if a retry would not help. */
export function retryReason(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : '';
  return TRANSIENT_FAILURES.find(([, words]) => words.test(message))?.[0];
}

/**
 * The delay before a retry, milliseconds. It is random in a range that doubles each time, so that runners that failed together
 * do not retry together.
 *
 * @param retry counted from 1
 * @param random from 0 to below 1
 */
export function retryDelayMs(policy: PullRetryPolicy, retry: number, random: number): number {
  const { intervalMs, minDelayMs, maxDelayMs } = policy;
  const cap = maxDelayMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, maxDelayMs - minDelayMs);
  return random * Math.min((2 ** retry - 1) * intervalMs, cap) + minDelayMs;
}

export class PullRetry {
  constructor(
    private readonly policy: PullRetryPolicy,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {
    countFromZero('docker_api_retries', ...TRANSIENT_FAILURES.map(([reason]) => labelsOf(reason)));
  }

  /**
   * Runs the pull until it succeeds or fails permanently.
   * @throws the error of the last attempt, CancelledError on abort
   */
  async run(pull: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let retry = 1; ; retry += 1) {
      try {
        return await pull();
      } catch (error) {
        const reason = retry > this.policy.maxRetries ? undefined : retryReason(error);
        if (reason === undefined || signal.aborted) throw error;
        count('docker_api_retries', 1, labelsOf(reason));
      }
      await this.clock.sleep(retryDelayMs(this.policy, retry, this.random()), signal);
      throwIfAborted(signal);
    }
  }
}

function labelsOf(reason: string) {
  return { api_name: 'docker_pull_image', api_status: reason };
}
