/**
 * The metadata for the `started` message: a balancer asks for it in the request, and a runner announces it in the response, with
 * its mode.
 */
export const ACCEPT_HEADER = 'fnfleet-accept';
export const ACCEPT_STARTED = 'started';

/** Initial metadata; sent at once, while the call may still have to wait. */
export const STARTED_HEADER = 'fnfleet-started';

/**
 * The guarantee of a runner for `started`.
 *
 * `none`       no guarantee
 * `announced`  it has left the runner before a function gets the call
 * `confirmed`  the balancer has read it before a function gets the call
 */
export type StartAckMode = 'none' | 'announced' | 'confirmed';

const WORDS: Readonly<Record<StartAckMode, string>> = { none: '', announced: '1', confirmed: '2' };

/** The value of the header. */
export function startAckHeader(promise: StartAckMode): string {
  return WORDS[promise];
}

/** An unknown value is no guarantee. */
export function readStartAckMode(word: unknown): StartAckMode {
  if (word === WORDS.confirmed) return 'confirmed';
  return word === WORDS.announced ? 'announced' : 'none';
}

/** Whether a request asks for the message. */
export function wantsStart(accept: string | string[] | undefined): boolean {
  return String(accept)
    .split(',')
    .some((word) => word.trim() === ACCEPT_STARTED);
}
