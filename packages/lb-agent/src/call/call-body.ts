import type { ReplayableBody } from '@fnfleet/protocol';

/** The body of a call, of which a part may still be on its way from the caller. */
export interface CallBody extends ReplayableBody {
  /**
   * Waits for a body that is short, before it has a reader. Not implemented: it is here.
   * @param upTo bytes: a longer body is not waited for. Infinity: it has to be held, whatever its length
   * @returns undefined when there is nothing to wait for. Rejects with the signal's reason, with CancelledError when the caller
   *   left, with FnError `requestTooBig`, and `serverBusy` when there is no room for what has to be held
   */
  arrival?(upTo: number, signal: AbortSignal): Promise<void> | undefined;
}
