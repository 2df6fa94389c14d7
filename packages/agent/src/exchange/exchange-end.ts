import { FnError, type RequestBody } from '@fnfleet/core';
import { ReplyError } from './reply-parser.js';

/** How an exchange with a function ended. */
export interface ExchangeEnd {
  /** What to tell the caller; undefined: the answer has been written. */
  readonly error: unknown;
  /** Whether the container may serve another call. */
  readonly reusable: boolean;
  /** The function has not had a byte of the request: another container may have the call, with this body. */
  readonly unsent?: RequestBody;
}

/** Where the exchange stood when its connection failed. */
export type FailedWhile = 'sending' | 'relaying';

/**
 * What the failure of a connection means for the caller and for the container.
 * @param cause of the parser or of the system
 * @param uploaded the whole request had gone out
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

/** No connection, or one that was closed before it took a byte: nothing can have run. */
export function endUnsent(cause: Error, body: RequestBody): ExchangeEnd {
  return { error: new FnError('functionResponse', { cause }), reusable: false, unsent: body };
}

/** The connection of a call ended before its answer did: its process may have, too. */
export function isLostFunction(error: unknown): error is FnError {
  return error instanceof FnError && error.cause instanceof Error && isLostConnection(error.cause);
}

/** The other side closed or reset the connection. */
function isLostConnection(cause: Error): boolean {
  if (cause instanceof ReplyError) return cause.kind === 'early';
  return ['EPIPE', 'ECONNRESET'].includes((cause as NodeJS.ErrnoException).code ?? '');
}
