import { type HeaderList, MIB, type WallMs } from '@fnfleet/core';

/** Body bytes travel in frames of at most this many bytes. */
export const MAX_FRAME_BYTES = 10 * 1024;

/** No message may be larger, bytes: runners and balancers of Fn take no larger ones. */
export const MAX_MESSAGE_BYTES = 4 * MIB;

/** The longest text of an error that is passed on, characters. */
export const MAX_ERROR_TEXT = 8 * 1024;

/** What a balancer sends. `unknown` is a message of a newer peer, or one with nothing in it. */
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
  readonly data: Buffer;
  readonly eof: boolean;
}

export interface ResultStartMessage {
  readonly kind: 'resultStart';
  /** 0 when the runner left it out. */
  readonly status: number;
  readonly headers: HeaderList;
}

export interface FinishedMessage {
  readonly kind: 'finished';
  readonly report: CallReport;
}

/** What a runner tells about a call it has finished. Instants in ms since the epoch, durations in ns; 0: not known. */
export interface CallReport {
  readonly success: boolean;
  readonly callId: string;
  readonly errorCode: number;
  readonly errorText: string;
  /** For operators and developers, beside the text. Only from runners of ours. */
  readonly errorDetail: string;
  readonly errorUser: boolean;
  /**
   * Above 0: nothing ran, and no other runner is to be asked, since this one has begun what the call lacks. Its caller may come
   * back after so many seconds. Only from runners of ours.
   */
  readonly retryAfterSeconds: number;
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
