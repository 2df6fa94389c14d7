/**
 * The metadata around the `started` message: a balancer that wants it says so in the request, a runner that will send it
 * says so in the response.
 */
export const ACCEPT_HEADER = 'fnfleet-accept';
export const ACCEPT_STARTED = 'started';

/** Initial metadata; sent at once, while the call may still have to wait. */
export const STARTED_HEADER = 'fnfleet-started';
export const STARTED_ANNOUNCED = '1';

/** Whether a request asks for the message. */
export function wantsStart(accept: string | string[] | undefined): boolean {
  if (accept === undefined) return false;
  if (accept === ACCEPT_STARTED) return true;
  return String(accept)
    .split(',')
    .some((word) => word.trim() === ACCEPT_STARTED);
}
