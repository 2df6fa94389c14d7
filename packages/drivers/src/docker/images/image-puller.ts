import type { Clock } from '@fnfleet/core';
import { throwIfAborted, untilAborted } from '../../cancellation.js';
import { type ImageReference, pullName } from './image-reference.js';
import { PullProgress } from './pull-progress.js';
import type { RegistryAuth } from './registry-auth.js';

interface Flight {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  readonly progress: PullProgress;
  waiters: number;
}

export type Download = (
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
    const abort = new AbortController();
    const progress = new PullProgress(this.clock.now());
    const done = this.download(reference, auth, abort.signal, progress);
    const flight = { done, abort, progress, waiters: 0 };
    this.flights.set(key, flight);
    return flight;
  }

  private end(key: string, flight: Flight): void {
    this.flights.delete(key);
    // Does nothing if the download has ended.
    flight.abort.abort();
  }
}
