import {
  type Call,
  type CallOutcome,
  CancelledError,
  closeSpan,
  count,
  errorOf,
  FnError,
  openChildSpan,
} from '@fnfleet/core';
import type { AgentLoad } from '../agent.js';
import type { AgentCall } from './agent-call.js';

/** Counts the load, and reports it as the metrics `queued` and `running`. */
export class LoadCounter implements AgentLoad {
  waiting = 0;
  running = 0;

  queued(change: 1 | -1): void {
    this.waiting += change;
    count('queued', change);
  }

  executing(change: 1 | -1): void {
    this.running += change;
    count('running', change);
  }
}

/** Counts a call that ended before it started. @param error the reason; FnError `serverBusy` when the caller's deadline passed */
export function countUnstarted(error: unknown): void {
  if (isBusy(error)) count('server_busy');
  else if (isCancelled(error)) count('canceled');
  else count('errors');
}

/** Sets the status of a call that had started, and counts how it ended. */
export function endStarted(model: Call, outcome: CallOutcome): void {
  if (outcome.kind === 'completed') {
    model.status = 'success';
    count('completed');
    return;
  }
  const { error } = outcome;
  if (error instanceof FnError && error.code === 'callTimeout') {
    model.status = 'timeout';
    count('timeouts');
    return;
  }
  model.status = 'error';
  model.error = error instanceof Error ? error.message : String(error);
  count(isCancelled(error) ? 'canceled' : 'errors');
}

function isBusy(error: unknown): boolean {
  return error instanceof FnError && (error.code === 'serverBusy' || error.code === 'imagePulling');
}

function isCancelled(error: unknown): boolean {
  return error instanceof CancelledError;
}

/** The span name that agents of Fn use for the function's part of a trace. */
const NAME = 'agent_dispatch_httpstream';

/**
 * Opens the span of the function's part of a call, whose context is passed to the function.
 * @returns closes the span; undefined when nothing records it
 */
export function openExecutionSpan(call: AgentCall): ((outcome: CallOutcome) => void) | undefined {
  const opened = openChildSpan(NAME, call.trace);
  if (opened === undefined) return undefined;
  const { id, fnId, appId, image } = call.model;
  opened.span.setAttributes({ 'fn.call_id': id, 'fn.fn_id': fnId, 'fn.app_id': appId, 'container.image.name': image });
  call.trace = opened.context;
  return (outcome) => closeSpan(opened, errorOf(outcome));
}
