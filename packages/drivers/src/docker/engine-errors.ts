import { CancelledError, FnError } from '@fnfleet/core';

/** What dockerode puts before the words of the engine. */
const LIBRARY_PREFIX = /^\(HTTP code \d+\) .*? - /;

/** What the Docker engine answered in place of doing what it was asked. */
export class EngineError extends Error {
  override readonly name = 'EngineError';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** An answer of the engine as dockerode reports it; anything else as it is. */
  static from(error: unknown, api: string): unknown {
    if (!(error instanceof Error)) return error;
    const { statusCode, json } = error as Error & { statusCode?: number; json?: unknown };
    if (statusCode === undefined) return error;
    const message = messageOf(json) ?? error.message.replace(LIBRARY_PREFIX, '').trim();
    return new EngineError(statusCode, message || `status ${statusCode} to ${api}`, { cause: error });
  }
}

/** The engine took a call and did not answer it in time. Whether it did what it was asked is unknown. */
export class EngineTimeoutError extends Error {
  override readonly name = 'EngineTimeoutError';

  constructor(api: string, timeoutMs: number) {
    super(`the Docker engine did not answer ${api} within ${timeoutMs} ms`);
  }
}

const NETWORK_CODES = ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EACCES', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'];

/** The engine did not answer, or could not be reached. */
export function isUnreachable(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return error instanceof EngineTimeoutError || NETWORK_CODES.includes(code);
}

/** The engine cannot have heard of the call. */
export function isNobodyThere(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');
}

export function isNotFound(error: unknown): boolean {
  return error instanceof EngineError && error.status === 404;
}

/**
 * The one translation of what the engine says into what a caller of a function sees. Errors without a place in the
 * table come back as they are: to a caller they are `internal`.
 */
export function fnErrorFromDocker(
  error: unknown,
  step: 'inspect' | 'pull' | 'create' | 'start',
  image: string,
): unknown {
  if (error instanceof FnError || error instanceof CancelledError) return error;
  // The function has no part in it, and nothing of it ran: another runner may have an engine that works.
  if (isUnreachable(error)) return new FnError('serverBusy', { cause: error });
  if (step === 'pull') return pullFailed(error, image);
  // The image was there when it was looked for, and was removed since: another runner may have it.
  if (step === 'create' && isNotFound(error)) return new FnError('serverBusy', { cause: error });
  if (step === 'start' && error instanceof Error && error.message.includes('failed to initialize logging driver')) {
    return new FnError('syslogUnavailable', { cause: error });
  }
  return error;
}

function pullFailed(error: unknown, image: string): FnError {
  const reason = error instanceof Error ? error.message : String(error);
  const status = refusalStatus(error, reason);
  return new FnError('imagePullFailed', {
    params: { image, reason },
    ...(status === undefined ? {} : { status }),
    cause: error,
  });
}

/** What the registry refuses is a 4xx. Engines before 23.0 say 500 to credentials that the registry does not take. */
function refusalStatus(error: unknown, reason: string): number | undefined {
  if (error instanceof EngineError && error.status >= 400 && error.status < 500) return error.status;
  return /\bunauthorized: |: no basic auth credentials$/.test(reason) ? 401 : undefined;
}

/** The engine answers with an object, a proxy before it with anything. */
function messageOf(body: unknown): string | undefined {
  if (Buffer.isBuffer(body)) return body.toString().trim() || undefined;
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : undefined;
}
