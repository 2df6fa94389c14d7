import { type CallOutcome, closeSpan, epochMs, errorOf, openChildSpan, traceFields } from '@fnfleet/core';
import type { LbCall } from '../call/lb-call.js';
import type { CallHistoryEntry } from './call-history-entry.js';

/** The span name that Fn's balancers use for a call. */
const NAME = 'lb_agent_submit';

/**
 * Opens the span of a call at this balancer; later spans of the call are its children.
 * @returns a function that closes it with all placement events; undefined if the call is not traced
 */
export function openCallSpan(call: LbCall): ((outcome: CallOutcome) => void) | undefined {
  if (call.history) call.history.traceId = traceFields(call.trace).traceId;
  const opened = openChildSpan(NAME, call.trace);
  if (opened === undefined) return undefined;
  const { id, fnId, appId, type } = call.model;
  const { span, context } = opened;
  span.setAttributes({ 'fn.call_id': id, 'fn.fn_id': fnId, 'fn.app_id': appId, 'fn.call_type': type });
  if (call.requestId) span.setAttribute('fn.rid', call.requestId);
  call.trace = context;
  return (outcome) => {
    if (call.history) explainIn(opened.span, call.history);
    closeSpan(opened, errorOf(outcome));
  };
}

function explainIn(span: Parameters<typeof closeSpan>[0]['span'], history: CallHistoryEntry): void {
  const { events, on_runner } = history.explanation();
  span.setAttributes({ ...on_runner });
  for (const { at_ms, event, runner, text } of events) {
    const attributes = { ...(runner !== undefined && { runner }), ...(text !== undefined && { text }) };
    span.addEvent(event, attributes, epochMs(history.events.arrivedAt) + at_ms);
  }
}
