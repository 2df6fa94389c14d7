import { throwIfAborted, untilAborted } from '../cancellation.js';
import { type ImageReference, pullName } from './image-reference.js';

interface Flight {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  passengers: number;
}

/**
 * Pulls an image once for all who want it at the same time. A pull goes on as long as anybody waits for it: the end of
 * the caller who happened to be first ends nobody else's.
 */
export class ImagePuller {
  private readonly flights = new Map<string, Flight>();

  constructor(private readonly download: (reference: ImageReference, signal: AbortSignal) => Promise<void>) {}

  /** Rejects with what the download rejects with, for all who wait; with CancelledError for one whose signal aborts. */
  async pull(reference: ImageReference, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const key = `${pullName(reference)} ${reference.tag}`;
    const flight = this.flights.get(key) ?? this.begin(key, reference);
    flight.passengers += 1;
    try {
      await untilAborted(flight.done, signal);
    } finally {
      flight.passengers -= 1;
      if (flight.passengers === 0) this.end(key, flight);
    }
  }

  private begin(key: string, reference: ImageReference): Flight {
    const abort = new AbortController();
    const flight = { done: this.download(reference, abort.signal), abort, passengers: 0 };
    this.flights.set(key, flight);
    return flight;
  }

  private end(key: string, flight: Flight): void {
    this.flights.delete(key);
    // Of no effect when the download is over.
    flight.abort.abort();
  }
}
