import { closeSpan, NO_TRACE, type OpenSpan, openChildSpan, SpanKind } from '@fnfleet/core';
import type { AttemptOutcome, OutboundCall } from './outbound-call.js';

/** By this name Fn's balancers put an attempt into a trace. */
const NAME = 'send_to_runner';

/** Begins an attempt in the trace of its call. Undefined: nobody records. */
export function openOffer({ trace }: OutboundCall, runner: string): OpenSpan | undefined {
  return openChildSpan(NAME, trace ?? NO_TRACE, { kind: SpanKind.CLIENT, attributes: { 'fn.runner': runner } });
}

/** A runner that is full has done nothing wrong. */
export function closeOffer(opened: OpenSpan, outcome: AttemptOutcome): void {
  opened.span.setAttribute('fn.outcome', outcome.kind === 'refused' ? `refused: ${outcome.reason}` : outcome.kind);
  const refusedBusy = outcome.kind === 'refused' && outcome.reason === 'busy';
  closeSpan(opened, outcome.kind === 'finished' || refusedBusy ? undefined : outcome.error);
}
