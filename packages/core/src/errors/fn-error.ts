import { type Blame, ERRORS, type ErrorCode, type ErrorEntry } from './table.js';

export interface FnErrorOptions {
  /** Fills the `{name}` parts of the text. */
  readonly params?: Readonly<Record<string, string | number>>;
  /** Overrides the status of the table, where the entry says that a foreign status is passed on. */
  readonly status?: number;
  /** When trying again is worth it, from now; overrides what the table says. Fractions are rounded up for a client. */
  readonly retryAfterSeconds?: number;
  /** Goes to the log; a client never sees it. */
  readonly cause?: unknown;
  /** What operators and developers are told beside the text, in `explain` and logs: an exit code. A client never sees it. */
  readonly detail?: string;
}

/**
 * An error with a place in the table: its `status` and `message` may be shown to the caller, its `cause` goes to the log.
 * Anything else that is thrown is a bug or a foreign failure and reaches a client only as `internal`.
 */
export class FnError extends Error {
  override readonly name = 'FnError';
  readonly status: number;
  readonly blame: Blame;
  /** Undefined: nothing is known of when it would go better. */
  readonly retryAfterSeconds: number | undefined;
  /** For operators and developers; empty: there is nothing to add. */
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

  /** The error itself when it has a place in the table, else `internal` with the original as cause. */
  static from(error: unknown): FnError {
    return error instanceof FnError ? error : new FnError('internal', { cause: error });
  }
}

/**
 * An error that a peer reported. Its text is passed on as it came, and its status if it is one that an error can have (400 to
 * 599). Any other counts as 0: the peer had none.
 */
export class PeerError extends Error {
  override readonly name = 'PeerError';
  readonly status: number;

  constructor(
    status: number,
    message: string,
    readonly blame: Blame,
    /** As `detail` of FnError. */
    readonly detail = '',
    /** When trying again is worth it, from now. Undefined: the peer did not say. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
    this.status = isErrorStatus(status) ? status : 0;
  }
}

/** Raised by an operation that ended because its caller no longer wanted it. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';

  constructor(message = 'context canceled') {
    super(message);
  }
}

/** What operators and developers are told of an error: its text, and what a client does not get to see. */
export function tellOperator(error: Error): string {
  const detail = error instanceof FnError || error instanceof PeerError ? error.detail : '';
  return detail === '' ? error.message : `${error.message}: ${detail}`;
}

/** What a client may know of an error. */
export interface ErrorDescription {
  readonly status: number;
  readonly message: string;
  readonly blame: Blame;
  /** Whole seconds; undefined: the client is not told when to come back. */
  readonly retryAfterSeconds: number | undefined;
}

/** Describes anything thrown. Status 0 from a peer becomes 500. */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof PeerError) {
    const { status, message, blame } = error;
    return { status: status === 0 ? 500 : status, message, blame, retryAfterSeconds: wholeSeconds(patienceFor(error)) };
  }
  if (error instanceof FnError) {
    const { status, message, blame, retryAfterSeconds } = error;
    return { status: errorStatus(status), message, blame, retryAfterSeconds: wholeSeconds(retryAfterSeconds) };
  }
  if (error instanceof CancelledError) return describeError(new FnError('clientCancelled'));
  return describeError(new FnError('internal'));
}

function patienceFor(error: PeerError): number | undefined {
  return error.retryAfterSeconds ?? (isServerBusy(error) ? ERRORS.serverBusy.retryAfterSeconds : undefined);
}

/** No capacity, here or at a peer. Most peers pass on only the text of an error: they are busy in the same sense as this node is. */
export function isServerBusy(error: unknown): boolean {
  if (error instanceof FnError) return error.code === 'serverBusy';
  const { status, text } = ERRORS.serverBusy;
  return error instanceof PeerError && error.status === status && error.message === text;
}

function isErrorStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 400 && status <= 599;
}

/** What is no error's is taken from whoever raised it: HTTP would not have it. */
function errorStatus(status: number): number {
  return isErrorStatus(status) ? status : ERRORS.internal.status;
}

/** Never 0: "at once" is what clients that pile up do anyway. */
function wholeSeconds(seconds: number | undefined): number | undefined {
  return seconds === undefined || !Number.isFinite(seconds) ? undefined : Math.max(1, Math.ceil(seconds));
}

/** The body of an error answer, as Fn clients expect it: one JSON object and one newline. */
export function errorBody(message: string): string {
  return `${JSON.stringify({ message })}\n`;
}

function fill(text: string, params: FnErrorOptions['params']): string {
  if (params === undefined) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
}
