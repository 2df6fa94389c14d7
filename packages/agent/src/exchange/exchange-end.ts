import { FnError, type RequestBody } from '@fnfleet/core';
import { ReplyError } from './reply-parser.js';

/** How an exchange with a function ended. */
export interface ExchangeEnd {
  /** The error for the caller; undefined when the response has been written. */
  readonly error: unknown;
  /** Whether the container may serve another call. */
  readonly reusable: boolean;
  /** Set when the function received no byte of the request: another container can take the call, with this body. */
  readonly unsent?: RequestBody;
}

/** The phase of the exchange when its connection failed. */
type FailedWhile = 'sending' | 'relaying';

/**
 * What the failure of a connection means for the caller and for the container.
 * @param cause the error of the parser or of the system
 * @param uploaded whether the whole request had been sent
 */
export function endFromConnection(cause: Error, phase: FailedWhile, uploaded: boolean): ExchangeEnd {
  if (cause instanceof ReplyError && cause.kind === 'tooBig') {
    return { error: new FnError('functionResponseHeaderTooBig', { cause }), reusable: false };
  }
  const lost = isLostConnection(cause);
  if (phase === 'relaying' && lost) {
    return { error: new FnError('functionResponseTruncated', { cause }), reusable: true };
  }
  const lostUpload = phase === 'sending' && !uploaded && lost;
  return { error: new FnError(lostUpload ? 'functionWriteRequest' : 'functionResponse', { cause }), reusable: false };
}

/** There was no connection, or it closed before it accepted a byte: nothing can have run. */
export function endUnsent(cause: Error, body: RequestBody): ExchangeEnd {
  return { error: new FnError('functionResponse', { cause }), reusable: false, unsent: body };
}

/** Whether the connection ended before the response did: the process may have ended, too. */
export function isLostFunction(error: unknown): error is FnError {
  return error instanceof FnError && error.cause instanceof Error && isLostConnection(error.cause);
}

/** The other side closed or reset the connection. */
function isLostConnection(cause: Error): boolean {
  if (cause instanceof ReplyError) return cause.kind === 'early';
  return ['EPIPE', 'ECONNRESET'].includes((cause as NodeJS.ErrnoException).code ?? '');
}
