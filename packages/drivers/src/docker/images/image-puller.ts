import type { Clock } from '@fnfleet/core';
import { throwIfAborted, untilAborted } from '../../cancellation.js';
import { type ImageReference, pullName } from './image-reference.js';
import { PullProgress } from './pull-progress.js';
import type { RegistryAuth } from './registry-auth.js';

interface Flight {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  readonly progress: PullProgress;
  passengers: number;
}

export type Download = (
  reference: ImageReference,
  auth: RegistryAuth | undefined,
  signal: AbortSignal,
  progress: PullProgress,
) => Promise<void>;

/**
 * Pulls an image once for all who want it at the same time and show the registry the same. A pull goes on as long as
 * anybody waits for it: the end of the caller who happened to be first ends nobody else's.
 */
export class ImagePuller {
  private readonly flights = new Map<string, Flight>();

  constructor(
    private readonly download: Download,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  /** Rejects with what the download rejects with, for all who wait; with CancelledError for one whose signal aborts. */
  async pull(
    reference: ImageReference,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
    onPull?: (pull: PullProgress) => void,
  ): Promise<void> {
    throwIfAborted(signal);
    // Nobody gets an image on the credentials of another.
    const key = JSON.stringify([pullName(reference), reference.tag, auth]);
    const flight = this.flights.get(key) ?? this.begin(key, reference, auth);
    flight.passengers += 1;
    onPull?.(flight.progress);
    try {
      await untilAborted(flight.done, signal);
    } finally {
      flight.passengers -= 1;
      if (flight.passengers === 0) this.end(key, flight);
    }
  }

  private begin(key: string, reference: ImageReference, auth: RegistryAuth | undefined): Flight {
    const abort = new AbortController();
    const progress = new PullProgress(this.clock.now());
    const done = this.download(reference, auth, abort.signal, progress);
    const flight = { done, abort, progress, passengers: 0 };
    this.flights.set(key, flight);
    return flight;
  }

  private end(key: string, flight: Flight): void {
    this.flights.delete(key);
    // Of no effect when the download is over.
    flight.abort.abort();
  }
}
