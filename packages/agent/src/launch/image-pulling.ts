import { FnError, MIB, type MonoMs } from '@fnfleet/core';
import type { ImagePull } from '@fnfleet/drivers';

/** Longer than this nobody is told to wait, seconds. */
const RETRY_MOST_S = 120;

/**
 * What a call is answered with whose time is over while its image is being pulled. When to come back follows from how far the
 * pull has come by now, where that is known.
 */
export function imagePulling(image: string, pull: ImagePull, now: MonoMs): FnError {
  const { receivedBytes, totalBytes } = pull;
  const options = { params: { image }, detail: progressWords(pull) };
  // What has been downloaded is yet to be unpacked, and nothing is known of that.
  if (receivedBytes === 0 || receivedBytes === totalBytes) return new FnError('imagePulling', options);
  const leftSeconds = ((now - pull.since) / 1000) * ((totalBytes - receivedBytes) / receivedBytes);
  return new FnError('imagePulling', { ...options, retryAfterSeconds: Math.min(RETRY_MOST_S, leftSeconds) });
}

/** For people; empty: nothing is known. */
function progressWords({ receivedBytes, totalBytes }: ImagePull): string {
  return totalBytes === 0 ? '' : `${megabytes(receivedBytes)} of ${megabytes(totalBytes)} MB so far`;
}

function megabytes(bytes: number): string {
  return (bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0);
}
