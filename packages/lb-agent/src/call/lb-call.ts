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
import type { OutboundCall, ReportedTimings } from '@fnfleet/protocol';
import { type CallHistoryEntry, headerText } from '../explain/call-history-entry.js';
import type { CallBody } from './call-body.js';

/** How often a call that may run again does so: what is lost this often is probably what takes its runners down. */
const MAX_RERUNS = 2;

/** A call that a balancer agent has accepted to build: made by `getCall`, placed by `submit`. */
export class LbCall implements OutboundCall {
  readonly model: Call;
  readonly body: CallBody;
  readonly request: IncomingMessage | undefined;
  readonly requestId: string | undefined;
  /** Left to the runner: its own overrider and settings are part of the key. */
  readonly slotHash = '';
  extensions: Readonly<Record<string, string>>;
  response: ResponseWriter;
  deadlineAt: MonoMs | undefined;
  /** When the agent began to build it. */
  readonly arrivedAt: MonoMs;
  /** When it began to be placed; undefined: it did not. */
  startedAt: MonoMs | undefined;
  /** What happens for it from now on belongs to this. */
  trace: TraceContext;
  /** What is remembered of it. */
  readonly history: CallHistoryEntry | undefined;
  /** What its last runner reported. */
  timings: ReportedTimings | undefined;
  private readonly controller: AbortController;
  private ranNs = 0;
  private attempts = 0;
  private reruns = 0;
  private runner = '';

  constructor(parts: LbCallParts) {
    this.model = parts.model;
    this.arrivedAt = parts.arrivedAt;
    this.body = parts.body;
    this.request = parts.request;
    this.requestId = parts.requestId;
    this.extensions = parts.extensions;
    this.response = parts.response;
    this.controller = parts.controller;
    this.history = parts.history;
    this.trace = parts.trace ?? NO_TRACE;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Nanoseconds that the function ran, over all attempts. */
  get executionNs(): number {
    return this.ranNs;
  }

  /** Ends the call wherever it is. @param reason what it then fails with */
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

  get mayRunAgain(): boolean {
    return this.reruns < MAX_RERUNS && isIdempotent(this.model.annotations);
  }

  runsAgain(): void {
    this.reruns += 1;
  }

  /**
   * What became of the call so far: after how many attempts, how long its function ran, and what is on record.
   * @param forOperator also who has it, and who said what: addresses and the words of others are no caller's business
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
  readonly extensions: Readonly<Record<string, string>>;
  readonly request?: IncomingMessage;
  readonly requestId?: string;
  readonly history?: CallHistoryEntry | undefined;
  readonly trace?: TraceContext | undefined;
  /** Ends the call when aborted; the reason is what it then fails with. */
  readonly controller: AbortController;
}
