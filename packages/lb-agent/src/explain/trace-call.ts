import { recordSpan } from '@fnfleet/core';
import type { CallRecord } from './call-record.js';

/** Tells the trace of the request what an explanation tells: a span for the call at this balancer, with what happened in it. */
export function traceCall(record: CallRecord, carrier: object): void {
  const startedAt = record.journal.arrivedAt;
  recordSpan({
    name: 'place call',
    startedAt,
    endedAt: startedAt + record.journal.elapsedMs,
    carrier,
    details() {
      const { call_id, fn_id, app_id, error, events, on_runner } = record.explanation();
      return {
        attributes: { call_id, fn_id, app_id, ...on_runner },
        events: events.map(({ at_ms, event, runner, text }) => ({
          name: event,
          at: startedAt + at_ms,
          attributes: { ...(runner !== undefined && { runner }), ...(text !== undefined && { text }) },
        })),
        error,
      };
    },
  });
}
