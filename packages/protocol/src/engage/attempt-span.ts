import { closeSpan, NO_TRACE, type OpenSpan, openChildSpan, SpanKind } from '@fnfleet/core';
import type { AttemptOutcome, OutboundCall } from './outbound-call.js';

/** The span name of Fn's balancers for an attempt. */
const NAME = 'send_to_runner';

/** Starts the span of an attempt in the trace of its call. Undefined if the trace is not recorded. */
export function openOffer({ trace }: OutboundCall, runner: string): OpenSpan | undefined {
  return openChildSpan(NAME, trace ?? NO_TRACE, { kind: SpanKind.CLIENT, attributes: { 'fn.runner': runner } });
}

/** A refusal because the runner is full is not an error. */
export function closeOffer(opened: OpenSpan, outcome: AttemptOutcome): void {
  opened.span.setAttribute('fn.outcome', outcome.kind === 'refused' ? `refused: ${outcome.reason}` : outcome.kind);
  const refusedBusy = outcome.kind === 'refused' && outcome.reason === 'busy';
  closeSpan(opened, outcome.kind === 'finished' || refusedBusy ? undefined : outcome.error);
}
