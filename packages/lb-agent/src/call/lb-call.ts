import type { IncomingMessage } from 'node:http';
import {
  type Call,
  CancelledError,
  isIdempotent,
  type MonoMs,
  NO_TRACE,
  type ResponseWriter,
  type TraceContext,
} from '@fnfleet/core';
import type { PlacementEvents } from '@fnfleet/placement';
import type { OutboundCall, ReplayableBody, ReportedTimings } from '@fnfleet/protocol';
import { type CallHistoryEntry, headerText } from '../explain/call-history-entry.js';

/** Maximum reruns of an idempotent call: one that is lost this often is probably what takes its runners down. */
const MAX_RERUNS = 2;

/** A call of a balancer agent: created by `getCall`, placed by `submit`. */
export class LbCall implements OutboundCall {
  readonly model: Call;
  readonly body: CallBody;
  readonly request: IncomingMessage | undefined;
  readonly requestId: string | undefined;
  /** Unset: the runner computes it, because its overrider and settings are part of the key. */
  readonly slotHash = '';
  extensions: Readonly<Record<string, string>>;
  response: ResponseWriter;
  deadlineAt: MonoMs | undefined;
  /** When the agent started to build it. */
  readonly arrivedAt: MonoMs;
  /** When its placement started; undefined if it has not. */
  startedAt: MonoMs | undefined;
  readonly placementLimitMs: number | undefined;
  /** Trace context for further work on the call. */
  trace: TraceContext;
  /** Its entry in the call history. */
  readonly history: CallHistoryEntry | undefined;
  /** Times that its last runner reported. */
  timings: ReportedTimings | undefined;
  /** What the function has printed in the last attempt that reported it. Only of asynchronous calls. */
  log: string | undefined;
  private readonly controller: AbortController;
  private ranNs = 0;
  private attempts = 0;
  private reruns = 0;
  private runner = '';

  /**
   * @param controller ends the call when aborted; the reason is the error with which it fails
   * @param history its entry in the call history
   */
  constructor(
    parts: LbCallParts,
    extensions: Readonly<Record<string, string>>,
    controller: AbortController,
    history?: CallHistoryEntry,
  ) {
    this.model = parts.model;
    this.arrivedAt = parts.arrivedAt;
    this.body = parts.body;
    this.request = parts.request;
    this.requestId = parts.requestId;
    this.extensions = extensions;
    this.response = parts.response;
    this.controller = controller;
    this.history = history;
    this.trace = parts.trace ?? NO_TRACE;
    this.placementLimitMs = parts.placementLimitMs;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Execution time over all attempts, nanoseconds. */
  get executionNs(): number {
    return this.ranNs;
  }

  /** Ends the call at any stage. @param reason the error with which it fails */
  cancel(reason: Error = new CancelledError()): void {
    this.controller.abort(reason);
  }

  addExecution(durationNs: number): void {
    this.ranNs += durationNs;
  }

  offeredTo(address: string): void {
    this.attempts += 1;
    this.runner = address;
  }

  get events(): PlacementEvents | undefined {
    return this.history?.events;
  }

  started(): void {
    this.events?.said(this.runner, 'started');
  }

  reported(timings: ReportedTimings): void {
    this.timings = timings;
    this.history?.reported(timings);
  }

  logged(text: string): void {
    this.log = text;
  }

  get mayRunAgain(): boolean {
    return this.reruns < MAX_RERUNS && isIdempotent(this.model.annotations);
  }

  runsAgain(): void {
    this.reruns += 1;
  }

  /**
   * Summarizes the call so far: attempts, execution time, and its placement events.
   * @param forOperator include the runner and messages of peers, which callers must not see
   */
  explain(forOperator: boolean): string {
    const runner = forOperator ? `runner=${headerText(this.runner)}; ` : '';
    const ran = this.ranNs > 0 ? `; executed=${(this.ranNs / 1e6).toFixed(1)}ms` : '';
    return `${runner}attempts=${this.attempts}${ran}${this.history?.summary(forOperator) ?? ''}`;
  }
}

export interface LbCallParts {
  readonly model: Call;
  readonly arrivedAt: MonoMs;
  readonly body: CallBody;
  readonly response: ResponseWriter;
  readonly request?: IncomingMessage | undefined;
  readonly requestId?: string | undefined;
  readonly trace?: TraceContext | undefined;
  readonly placementLimitMs?: number | undefined;
}

/** The body of a call, which may still be arriving from the caller. */
export interface CallBody extends ReplayableBody {
  /**
   * Waits for a short body before it has a reader. Optional: without it, the body is already complete.
   * @param upTo bytes: a longer body is not waited for. Infinity: it has to be held, whatever its length
   * @returns undefined when there is nothing to wait for. Rejects with the signal's reason, with CancelledError when
   *   the caller left, with FnError `requestTooBig`, and `serverBusy` when there is no room for what has to be held
   */
  arrival?(upTo: number, signal: AbortSignal): Promise<void> | undefined;
}
