import { CancelledError, FnError } from '@fnfleet/core';

/** How an exchange with a function ended. */
export interface ExchangeEnd {
  /** What to tell the caller; undefined: the answer has been written. */
  readonly error: unknown;
  /** Whether the container may serve another call. */
  readonly reusable: boolean;
}

/** Where the exchange stood when its connection failed. */
export type FailedWhile = 'connecting' | 'sending' | 'relaying';

/**
 * What an error of the HTTP client means for the caller and for the container.
 * @param uploaded the whole request had gone out
 */
export function endFromTransport(cause: Error, phase: FailedWhile, uploaded: boolean): ExchangeEnd {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  switch (code) {
    case 'UND_ERR_INVALID_ARG':
      // Nothing was sent: a header of the call cannot travel over HTTP.
      return { error: new FnError('badRequest', { params: { reason: cause.message }, cause }), reusable: true };
    case 'UND_ERR_HEADERS_OVERFLOW':
      return { error: new FnError('functionResponseHeaderTooBig', { cause }), reusable: false };
    case 'UND_ERR_ABORTED':
      // The body was taken away before its end, without a word.
      return { error: new CancelledError(), reusable: false };
  }
  if (phase === 'relaying') {
    return isEarlyEnd(code)
      ? { error: new FnError('functionResponseTruncated', { cause }), reusable: true }
      : { error: new FnError('functionResponse', { cause }), reusable: false };
  }
  const lostUpload = phase === 'sending' && !uploaded && isLostConnection(code);
  return { error: new FnError(lostUpload ? 'functionWriteRequest' : 'functionResponse', { cause }), reusable: false };
}

/** The other side closed or reset the connection. */
function isLostConnection(code: string): boolean {
  return code === 'UND_ERR_SOCKET' || code === 'EPIPE' || code === 'ECONNRESET';
}

/** The connection ended before the announced length, or within a chunk. */
function isEarlyEnd(code: string): boolean {
  return isLostConnection(code) || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || code === 'HPE_INVALID_EOF_STATE';
}
