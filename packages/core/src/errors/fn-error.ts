import { type Blame, ERRORS, type ErrorCode, type ErrorEntry } from './table.js';

export interface FnErrorOptions {
  /** Values for the `{name}` parts of the text. */
  readonly params?: Readonly<Record<string, string | number>>;
  /** Overrides the status in the table, for entries that pass on a peer's status. */
  readonly status?: number;
  /** When a retry makes sense, in seconds from now; overrides the table. Rounded up for clients. */
  readonly retryAfterSeconds?: number;
  /** Logged, and never shown to a client. */
  readonly cause?: unknown;
  /** Additional detail for operators and developers, such as an exit code, shown in `explain` and logs. Never shown to a client. */
  readonly detail?: string;
}

/**
 * An error from the table: its `status` and `message` may be shown to the caller, and its `cause` is logged.
 * Anything else that is thrown is a bug or an external failure, and reaches a client only as `internal`.
 */
export class FnError extends Error {
  override readonly name = 'FnError';
  readonly status: number;
  readonly blame: Blame;
  /** Undefined if it is unknown when a retry would succeed. */
  readonly retryAfterSeconds: number | undefined;
  /** For operators and developers; empty if there is nothing to add. */
  readonly detail: string;

  constructor(
    readonly code: ErrorCode,
    options: FnErrorOptions = {},
  ) {
    const entry: ErrorEntry = ERRORS[code];
    super(fill(entry.text, options.params), options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status ?? entry.status;
    this.blame = entry.blame;
    this.retryAfterSeconds = options.retryAfterSeconds ?? entry.retryAfterSeconds;
    this.detail = options.detail ?? '';
  }

  /** Returns the error itself if it is from the table, otherwise `internal` with the original as cause. */
  static from(error: unknown): FnError {
    return error instanceof FnError ? error : new FnError('internal', { cause: error });
  }
}

/**
 * An error that a peer reported. Its text is passed on unchanged, and so is its status if it is an error status (400 to 599).
 * Any other status is read as 0, which means none.
 */
export class PeerError extends Error {
  override readonly name = 'PeerError';
  readonly status: number;

  constructor(
    status: number,
    message: string,
    readonly blame: Blame,
    /** See `FnError.detail`. */
    readonly detail = '',
    /** When a retry makes sense, in seconds from now. Undefined if the peer did not say. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
    this.status = isErrorStatus(status) ? status : 0;
  }
}

/** Thrown by an operation whose caller cancelled it. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';

  constructor(message = 'context canceled') {
    super(message);
  }
}

/** The text of an error for operators and developers, with the detail that clients do not see. */
export function tellOperator(error: Error): string {
  const detail = error instanceof FnError || error instanceof PeerError ? error.detail : '';
  return detail === '' ? error.message : `${error.message}: ${detail}`;
}

/** What a client is told about an error. */
export interface ErrorDescription {
  readonly status: number;
  readonly message: string;
  readonly blame: Blame;
  /** Whole seconds; undefined if the client is not told when to retry. */
  readonly retryAfterSeconds: number | undefined;
}

/** Describes anything thrown. Status 0 from a peer becomes 500. */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof PeerError) {
    const { status, message, blame } = error;
    return {
      status: status === 0 ? 500 : status,
      message,
      blame,
      retryAfterSeconds: wholeSeconds(retryAfterOf(error)),
    };
  }
  if (error instanceof FnError) {
    const { status, message, blame, retryAfterSeconds } = error;
    return { status: errorStatus(status), message, blame, retryAfterSeconds: wholeSeconds(retryAfterSeconds) };
  }
  if (error instanceof CancelledError) return describeError(new FnError('clientCancelled'));
  return describeError(new FnError('internal'));
}

function retryAfterOf(error: PeerError): number | undefined {
  return error.retryAfterSeconds ?? (isServerBusy(error) ? ERRORS.serverBusy.retryAfterSeconds : undefined);
}

/** No capacity, here or at a peer. Most peers pass on only the text of an error. */
export function isServerBusy(error: unknown): boolean {
  if (error instanceof FnError) return error.code === 'serverBusy';
  const { status, text } = ERRORS.serverBusy;
  return error instanceof PeerError && error.status === status && error.message === text;
}

function isErrorStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 400 && status <= 599;
}

/** Rejects a status that is not an error status, because HTTP could not send it. */
function errorStatus(status: number): number {
  return isErrorStatus(status) ? status : ERRORS.internal.status;
}

/** Never 0, so that waiting clients do not all retry at once. */
function wholeSeconds(seconds: number | undefined): number | undefined {
  return seconds === undefined || !Number.isFinite(seconds) ? undefined : Math.max(1, Math.ceil(seconds));
}

/** The body of an error response in the form that Fn clients expect: one JSON object and a newline. */
export function errorBody(message: string): string {
  return `${JSON.stringify({ message })}\n`;
}

function fill(text: string, params: FnErrorOptions['params']): string {
  if (params === undefined) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
}
