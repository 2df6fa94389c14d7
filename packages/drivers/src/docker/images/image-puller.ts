import { type Clock, count, countFromZero } from '@fnfleet/core';
import { throwIfAborted, untilAborted } from '../../waiting.js';
import { PullProgress } from '../engine-progress.js';
import { type ImageReference, pullName } from './image-reference.js';
import type { RegistryAuth } from './registry-credentials.js';

interface Flight {
  readonly done: Promise<void>;
  readonly controller: AbortController;
  readonly progress: PullProgress;
  waiters: number;
}

type Download = (
  reference: ImageReference,
  auth: RegistryAuth | undefined,
  signal: AbortSignal,
  progress: PullProgress,
) => Promise<void>;

/**
 * Shares one pull among all concurrent callers that want the same image with the same credentials. A pull continues as long as
 * any caller waits for it, even if the first one leaves.
 */
export class ImagePuller {
  private readonly flights = new Map<string, Flight>();

  constructor(
    private readonly download: Download,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  /** Rejects with the error of the download for all callers, or with CancelledError for a caller whose signal aborts. */
  async pull(
    reference: ImageReference,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
    onPull?: (pull: PullProgress) => void,
  ): Promise<void> {
    throwIfAborted(signal);
    // A caller must not get an image with the credentials of another.
    const key = JSON.stringify([pullName(reference), reference.tag, auth]);
    const flight = this.flights.get(key) ?? this.begin(key, reference, auth);
    flight.waiters += 1;
    onPull?.(flight.progress);
    try {
      await untilAborted(flight.done, signal);
    } finally {
      flight.waiters -= 1;
      if (flight.waiters === 0) this.end(key, flight);
    }
  }

  private begin(key: string, reference: ImageReference, auth: RegistryAuth | undefined): Flight {
    const controller = new AbortController();
    const progress = new PullProgress(this.clock.now());
    const done = this.download(reference, auth, controller.signal, progress);
    const flight = { done, controller, progress, waiters: 0 };
    this.flights.set(key, flight);
    return flight;
  }

  private end(key: string, flight: Flight): void {
    this.flights.delete(key);
    // Does nothing if the download has ended.
    flight.controller.abort();
  }
}

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
