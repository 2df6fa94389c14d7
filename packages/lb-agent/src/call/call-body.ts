import type { ReplayableBody } from '@fnfleet/protocol';

/** The body of a call, which may still be arriving from the caller. */
export interface CallBody extends ReplayableBody {
  /**
   * Waits for a short body before it has a reader. Optional: without it, the body is already complete.
   * @param upTo bytes: a longer body is not waited for. Infinity: it has to be held, whatever its length
   * @returns undefined when there is nothing to wait for. Rejects with the signal's reason, with CancelledError when
   *   the caller left, with FnError `requestTooBig`, and `serverBusy` when there is no room for what has to be held
   */
  arrival?(upTo: number, signal: AbortSignal): Promise<void> | undefined;
}
