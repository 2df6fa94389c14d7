import type { Call, RequestBody, ResponseWriter } from '@fnfleet/core';
import type { LogSink } from './log-sink.js';

/** What call options fill in, one after another. */
export interface CallDraft {
  model?: Call;
  body?: RequestBody;
  response?: ResponseWriter;
  logSink?: LogSink;
  extensions: Record<string, string>;
  signal?: AbortSignal;
  deadlineAt?: number;
  slotKey?: string;
}

/** One step of building a call. Throws when what it needs has not been set by an earlier option. */
export type CallOption = (draft: CallDraft) => void;
