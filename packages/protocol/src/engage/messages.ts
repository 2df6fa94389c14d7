import type { BorrowedBytes } from '@fnfleet/core';
import { type HeaderList, MIB, type WallMs } from '@fnfleet/core';

/** Limit for the body bytes of a frame. */
export const MAX_FRAME_BYTES = 10 * 1024;

/** Limit for a message, bytes: runners and balancers of Fn accept no larger ones. */
export const MAX_MESSAGE_BYTES = 4 * MIB;

/** Limit for error texts that are passed on, characters. */
export const MAX_ERROR_TEXT = 8 * 1024;

/** Limit for what a report contains of the output of a function. */
export const MAX_CALL_LOG_BYTES = 64 * 1024;

/** What a balancer sends. `unknown` is a message of a newer peer, or an empty one. */
export type ClientMessage = TryMessage | DataMessage | UnknownMessage;

/** What a runner sends. */
export type RunnerMessage = ResultStartMessage | DataMessage | FinishedMessage | StartedMessage | UnknownMessage;

export interface TryMessage {
  readonly kind: 'try';
  readonly callJson: string;
  /** Lower-case hex, or empty. */
  readonly slotHash: string;
  readonly extensions: Readonly<Record<string, string>>;
}

export interface DataMessage {
  readonly kind: 'data';
  /** Of a received message: valid until the call that delivers it returns. */
  readonly data: BorrowedBytes;
  readonly eof: boolean;
}

export interface ResultStartMessage {
  readonly kind: 'resultStart';
  /** 0 if the runner omitted it. */
  readonly status: number;
  readonly headers: HeaderList;
}

export interface FinishedMessage {
  readonly kind: 'finished';
  readonly report: CallReport;
}

/** The report of a runner about a finished call. Instants in ms since the epoch, durations in ns; 0 if unknown. */
export interface CallReport {
  readonly success: boolean;
  readonly callId: string;
  readonly errorCode: number;
  readonly errorText: string;
  /** Additional detail for operators and developers. Only from our runners. */
  readonly errorDetail: string;
  readonly errorUser: boolean;
  /**
   * Above 0: nothing ran, and no other runner should be tried, because this one has started what the call lacks. The caller may
   * retry after this many seconds. Only from our runners.
   */
  readonly retryAfterSeconds: number;
  /** What the function has printed, up to `MAX_CALL_LOG_BYTES`. Only of asynchronous calls, and only from our runners. */
  readonly log: string;
  readonly createdAt: WallMs | undefined;
  readonly startedAt: WallMs | undefined;
  readonly completedAt: WallMs | undefined;
  readonly schedulerNs: number;
  readonly executionNs: number;
  readonly image: string;
  readonly imagePullWaitNs: number;
  readonly containerPrepareNs: number;
  readonly containerCreateNs: number;
  readonly containerInitNs: number;
}

/** The call is about to be handed to a function. Only from a runner that announced it, to a balancer that asked for it. */
export interface StartedMessage {
  readonly kind: 'started';
}

export interface UnknownMessage {
  readonly kind: 'unknown';
}
